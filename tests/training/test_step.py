"""Laws of one update: micro-batches are one batch, and one batch is the textbook's loop."""

import itertools

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from practicezoo import PaddedSequence
from practicezoo.batches import num_items
from practicezoo.training import StepResult, TrainStep, loss_weight
from support.losses import LOSSES, Loss
from support.toys import classes, close, mlp, same_weights, split, train_by_hand

NUM_ITEMS = 12
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def three_updates(loss: Loss, targets: Tensor, sizes: list[int]) -> tuple[nn.Module, list[StepResult]]:
    model = loss.make_model()
    step = TrainStep(model, SGD(model.parameters(), lr=0.1, momentum=0.9), loss.criterion)
    inputs = loss.make_inputs(NUM_ITEMS)
    return model, [step(split(inputs, targets, sizes)) for _ in range(3)]


def sizes_between(cuts: list[int]) -> list[int]:
    edges = [0, *sorted(cuts), NUM_ITEMS]
    return [end - start for start, end in itertools.pairwise(edges)]


cut_anywhere = st.lists(st.integers(1, NUM_ITEMS - 1), unique=True, max_size=4).map(sizes_between)


@every_loss
@example(sizes=[1] * NUM_ITEMS)
@given(sizes=cut_anywhere)
@settings(max_examples=8)
def test_micro_batches_equal_the_full_batch(loss, sizes):
    targets = loss.make_targets(NUM_ITEMS)
    whole, whole_results = three_updates(loss, targets, [NUM_ITEMS])
    parts, parts_results = three_updates(loss, targets, sizes)
    close(parts.state_dict(), whole.state_dict())
    for part, full in zip(parts_results, whole_results, strict=True):
        close(part.loss_sum, full.loss_sum)
        close(float(part.weight), float(full.weight))  # a count, or what torch divided by
        assert part.num_items == full.num_items == NUM_ITEMS


@every_loss
def test_loss_is_the_criterion_on_the_full_batch(loss):
    targets = loss.make_targets(NUM_ITEMS)
    inputs = loss.make_inputs(NUM_ITEMS)
    expected = loss.criterion(loss.make_model()(inputs), targets).detach()
    result = three_updates(loss, targets, [5, 1, 6])[1][0]
    # a summed criterion is reported per item
    close(
        result.loss, expected / NUM_ITEMS if getattr(loss.criterion, "reduction", "") == "sum" else expected
    )


def test_a_time_axis_counts_every_step():
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    logits, targets = torch.randn(4, 3, 7, dtype=torch.float64), torch.randint(3, (4, 7))
    weight = loss_weight(criterion, targets)
    close(
        criterion(logits, targets) * weight,
        nn.CrossEntropyLoss(ignore_index=0, reduction="sum")(logits, targets),
    )
    assert loss_weight(nn.CrossEntropyLoss(), torch.rand(4, 3, 7)) == 28


def test_a_micro_batch_without_counted_targets_adds_nothing():
    inputs, criterion = torch.randn(6, 5, dtype=torch.float64), nn.CrossEntropyLoss(ignore_index=-100)
    targets = torch.tensor([1, -100, -100, -100, 2, 0])
    results, models = [], []
    for sizes in ([6], [1, 3, 2]):
        models.append(Loss(criterion).make_model())
        step = TrainStep(models[-1], SGD(models[-1].parameters(), lr=0.1), criterion)
        results.append(step(split(inputs, targets, sizes)))
    close(results[1].loss, results[0].loss)
    close(models[1].state_dict(), models[0].state_dict())


def test_an_empty_micro_batch_adds_nothing():
    inputs, targets = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    models = [LOSSES["MSE"].make_model() for _ in range(2)]
    results = [
        TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss())(split(inputs, targets, sizes))
        for model, sizes in zip(models, ([6], [0, 6]), strict=True)
    ]
    close(results[1].loss, results[0].loss)
    close(models[1].state_dict(), models[0].state_dict())


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, RMSprop])
def test_one_micro_batch_is_the_hand_written_loop(optimizer):
    batches = split(*classes(), 8)
    ours, theirs = mlp(), mlp()
    step = TrainStep(ours, optimizer(ours.parameters(), lr=0.01), nn.CrossEntropyLoss())
    torch.manual_seed(7)
    ours.train()
    for batch in batches:
        step([batch])
    torch.manual_seed(7)
    train_by_hand(theirs, batches, nn.CrossEntropyLoss(), [optimizer(theirs.parameters(), lr=0.01)])
    assert same_weights(ours, theirs)


def test_several_optimizers_and_parameter_groups():
    batches = split(*classes(), 8)

    def optimizers(model):
        groups = [{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.5}]
        return [SGD(groups, lr=0.1), Adam(model[4].parameters(), lr=0.01)]

    ours, theirs = mlp(), mlp()
    step = TrainStep(ours, optimizers(ours), nn.CrossEntropyLoss())
    torch.manual_seed(7)
    for batch in batches:
        step([batch])
    torch.manual_seed(7)
    train_by_hand(theirs, batches, nn.CrossEntropyLoss(), optimizers(theirs))
    assert same_weights(ours, theirs)
    assert step.learning_rate == 0.1


def test_scheduler_steps_once_per_update():
    ours, theirs = mlp(), mlp()
    optimizers = [SGD(model.parameters(), lr=0.1) for model in (ours, theirs)]
    schedulers = [OneCycleLR(optimizer, 0.5, total_steps=6) for optimizer in optimizers]
    step = TrainStep(ours, optimizers[0], nn.CrossEntropyLoss(), lr_scheduler=schedulers[0])
    for _ in range(3):
        step(split(*classes(), 10))  # three micro-batches
        train_by_hand(theirs, [classes()], nn.CrossEntropyLoss(), optimizers[1:], schedulers[1:])
        assert step.learning_rate == schedulers[1].get_last_lr()[0]


def quadratic(max_grad_norm: float | None) -> tuple[nn.Linear, StepResult]:
    """One update with gradient (3, 4) at learning rate 1."""
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    step = TrainStep(model, SGD(model.parameters(), lr=1.0), nn.MSELoss(), max_grad_norm=max_grad_norm)
    return model, step([(torch.tensor([[3.0, 4.0]]), torch.tensor([[-0.5]]))])


@pytest.mark.parametrize(("max_grad_norm", "length"), [(1.0, 1.0), (2.5, 2.5), (100.0, 5.0)])
def test_clipping_reports_the_norm_before_it(max_grad_norm, length):
    model, result = quadratic(max_grad_norm)
    close(result.grad_norm, torch.tensor(5.0), tolerance=1e-6)
    close(model.weight.data, torch.tensor([[-0.6, -0.8]]) * length, tolerance=1e-5)


def test_without_clipping_there_is_no_norm():
    assert quadratic(None)[1].grad_norm is None


def test_clipping_sees_all_micro_batches_together():
    inputs, targets = classes(dtype=torch.float64)
    norms = []
    for sizes in (30, 7):
        model = Loss(nn.CrossEntropyLoss()).make_model()
        step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), max_grad_norm=0.01)
        norms.append(step(split(inputs, targets, sizes)).grad_norm)
    close(norms[0], norms[1])


def test_clipping_looks_only_at_what_the_optimizer_updates():
    model = mlp().eval()
    head = model[4]
    batch = classes()
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in head.parameters()]).norm()
    model.zero_grad()
    step = TrainStep(model, SGD(head.parameters(), lr=0.0), nn.CrossEntropyLoss(), max_grad_norm=1.0)
    for _ in range(3):  # the other layers' gradients would add up
        close(step([batch]).grad_norm, expected, tolerance=1e-6)


def test_bf16_stays_near_fp32():
    seen, losses = [], []
    for precision in ("fp32", "bf16"):
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
        torch.manual_seed(0)
        model.apply(lambda module: isinstance(module, nn.Linear) and module.reset_parameters())
        model[0].register_forward_hook(lambda *call: seen.append(call[2].dtype))
        step = TrainStep(model, SGD(model.parameters(), lr=0.5), nn.CrossEntropyLoss(), precision=precision)
        losses.append([float(step([classes()]).loss) for _ in range(20)])
        assert model[0].weight.dtype == torch.float32
    assert seen == [torch.float32] * 20 + [torch.bfloat16] * 20
    assert losses[0][-1] < losses[0][0] - 0.1
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]


def test_an_update_that_overflows_is_skipped_and_the_schedule_waits():
    model = nn.Linear(1, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    step = TrainStep(model, optimizer, nn.MSELoss(), lr_scheduler=StepLR(optimizer, 1, gamma=0.5))
    step.scaler = torch.amp.GradScaler("cpu")  # "fp16" has one for CUDA
    before = model.weight.detach().clone()
    step([(torch.ones(1, 1), torch.full((1, 1), 1e38))])
    assert torch.equal(model.weight, before)
    assert step.learning_rate == 0.1
    step([(torch.ones(1, 1), torch.ones(1, 1))])
    assert not torch.equal(model.weight, before)
    assert step.learning_rate == 0.05


@pytest.mark.gpu
def test_fp16_trains_on_cuda(cuda):
    torch.manual_seed(0)
    model = nn.Linear(5, 3).to(cuda)
    step = TrainStep(model, SGD(model.parameters(), lr=0.5), nn.CrossEntropyLoss(), precision="fp16")
    losses = [float(step([classes()]).loss) for _ in range(30)]
    assert losses[-1] < losses[0]


def test_gradients_from_before_the_update_do_not_count():
    clean, stale = mlp().eval(), mlp().eval()
    F.cross_entropy(stale(classes()[0]), classes()[1]).backward()
    for model in (clean, stale):
        step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
        for _ in range(2):
            step([classes()])
    assert same_weights(clean, stale)


def test_an_optimizers_own_zero_grad_is_called():
    """It may do more than clear: an optimizer around another clears that one's parameters."""

    class Counting(SGD):
        num_cleared = 0

        def zero_grad(self, set_to_none: bool = True) -> None:
            self.num_cleared += 1
            super().zero_grad(set_to_none)

    model = mlp()
    by_class = Counting(model[0].parameters(), lr=0.1)
    by_instance = SGD(model[4].parameters(), lr=0.1)
    calls = []
    vars(by_instance)["zero_grad"] = lambda set_to_none=True: calls.append(set_to_none)
    step = TrainStep(model, [by_class, by_instance], nn.CrossEntropyLoss())
    step([classes()])
    step(split(*classes(), 15))
    assert by_class.num_cleared == 2
    assert calls == [True, True]


def test_a_step_that_failed_leaves_no_gradient_behind():
    clean, failed = mlp().eval(), mlp().eval()
    for model in (clean, failed):
        step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
        if model is failed:
            with pytest.raises(RuntimeError):
                step([classes(), (torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))])
        step([classes()])
    assert same_weights(clean, failed)


def test_results_are_detached():
    model = mlp()
    result = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())([classes()])
    assert not result.loss_sum.requires_grad


def test_sums_of_bfloat16_losses_are_kept_in_float32():
    model = nn.Linear(5, 1).bfloat16()
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss())
    assert step([(torch.ones(2, 5).bfloat16(), torch.ones(2, 1).bfloat16())]).loss_sum.dtype == torch.float32


def test_padded_sequences_are_inputs():
    class Mean(nn.Linear):
        def forward(self, batch):
            return super().forward(batch.data.mean(dim=1))

    torch.manual_seed(0)
    batch = PaddedSequence(torch.randn(3, 7, 5), torch.tensor([7, 2, 3]))
    model = Mean(5, 2)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
    assert step([(batch, torch.tensor([0, 1, 1]))]).num_items == 3


@pytest.mark.parametrize(
    "wrap",
    [lambda y: {"first": y, "second": -y}, lambda y: (y, -y), lambda y: [y, -y]],
    ids=["dict", "tuple", "list"],
)
def test_targets_in_parts_count_their_items(wrap):
    def criterion(outputs, targets):
        first = targets["first"] if isinstance(targets, dict) else targets[0]
        return F.mse_loss(outputs, first)

    inputs, targets = torch.arange(12.0)[:, None], torch.arange(12.0)[:, None].square()
    models = [nn.Linear(1, 1) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, sizes in zip(models, ([12], [10, 2]), strict=True):
        step = TrainStep(model, SGD(model.parameters(), lr=1e-4), criterion)
        result = step([(x, wrap(y)) for x, y in split(inputs, targets, sizes)])
        assert result.num_items == 12
    close(models[1].state_dict(), models[0].state_dict(), tolerance=1e-6)


def test_packed_targets_count_sequences():
    assert num_items(nn.utils.rnn.pack_sequence([torch.zeros(3), torch.zeros(1)])) == 2
