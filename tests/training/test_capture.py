"""Updates by CUDA graphs are those without. On the CPU a tape of operations stands in for the graphs."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR, StepLR

from practicezoo.data import TensorLoader
from practicezoo.runtime.recording import ElsewhereMode
from practicezoo.training import Callback, Checkpointer, StepResult, TrainStep, fit, train_epoch
from practicezoo.training import capture as capturing
from practicezoo.training.capturable import obstacle_in_setup
from support.losses import LOSSES
from support.recording import TapeRecorder
from support.toys import HostReads, classes, mlp, same_weights, split

NUM_ITEMS = 12

pytestmark = pytest.mark.usefixtures("graphs_stay")


class Decaying(Optimizer):
    """Plain descent whose rate falls with its steps: capturable, with the rate and the steps in tensors."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr, "capturable": True})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), device=parameter.device)
                state["step"] += 1
                parameter.sub_(parameter.grad * group["lr"] / state["step"].sqrt())


def momentum(model):
    return SGD(model.parameters(), lr=0.1, momentum=0.9)


def both(graphs, train, *, make_model=mlp):
    """What ``train(model, capture)`` gives without graphs and with them, from the same start."""
    results = []
    for capture in (False, True):
        torch.manual_seed(7)
        model = make_model().to(graphs.device)
        results.append((train(model, capture), model))
    (plain, model), (captured, captured_model) = results
    assert same_weights(model, captured_model)
    return plain, captured


def batches(graphs, sizes):
    """Aligned batches on the device; what libraries compute depends on how memory is aligned."""
    inputs, targets = classes(sum(sizes))
    return [(x.clone().to(graphs.device), y.to(graphs.device)) for x, y in split(inputs, targets, sizes)]


def measured(results):
    return [
        [float(value) for value in (each.loss, each.weight, each.num_items)]
        + ([] if each.grad_norm is None else [float(each.grad_norm)])
        for each in results
    ]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_every_loss(graphs, loss, accumulate):
    def train(model, capture):
        criterion = loss.criterion
        if isinstance(criterion, nn.Module):
            criterion = criterion.to(graphs.device)
        step = TrainStep(model, momentum(model), criterion, capture=capture, max_grad_norm=1.0)
        inputs, targets = loss.make_inputs(NUM_ITEMS), loss.make_targets(NUM_ITEMS)
        pairs = [
            (x.clone().to(graphs.device), y.clone().to(graphs.device)) for x, y in split(inputs, targets, 4)
        ]
        return [result for _ in range(8) for result in train_epoch(step, pairs, accumulate)]

    plain, captured = both(graphs, train, make_model=loss.make_model)
    assert measured(plain) == measured(captured)  # read at the end: each result has memory of its own
    assert graphs.num_computed > len(plain) // 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batch_norm_dropout_and_a_smaller_last_batch(graphs, precision):
    def train(model, capture):
        step = TrainStep(
            model,
            momentum(model),
            nn.CrossEntropyLoss(),
            precision=precision,
            max_grad_norm=0.5,
            capture=capture,
        )
        data = batches(graphs, [8, 8, 8, 5])
        return [result for _ in range(5) for result in train_epoch(step, data)]

    plain, captured = both(graphs, train)
    assert measured(plain) == measured(captured)
    assert (graphs.num_recorded, graphs.num_computed) == (2, (15 - 3) + (5 - 3))


def test_gradients_are_those_of_the_last_update(graphs):
    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        return [
            [parameter.grad.tolist() for parameter in model.parameters()]
            for _ in range(5)
            for _ in train_epoch(step, batches(graphs, [8, 5]))
        ]

    plain, captured = both(graphs, train)
    assert plain == captured


def test_several_optimizers_and_a_criterion_that_learns(graphs):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.5))

        def forward(self, outputs, targets):
            return nn.functional.cross_entropy(outputs * self.scale, targets)

    def train(model, capture):
        criterion = Scaled().to(graphs.device)
        optimizers = [momentum(model), SGD(criterion.parameters(), lr=0.3)]
        step = TrainStep(model, optimizers, criterion, capture=capture)
        for _ in range(4):
            list(train_epoch(step, batches(graphs, [6, 6])))
        return criterion.scale.item()

    plain, captured = both(graphs, train)
    assert plain == captured != 1.5
    assert graphs.num_computed == 5


def test_inputs_of_several_parts(graphs):
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(5, 3)

        def forward(self, left, right):
            return self.linear(left) + self.linear(right)

    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        pairs = [({"left": x, "right": x + 1}, y) for x, y in batches(graphs, [6, 6])]
        for _ in range(3):
            list(train_epoch(step, pairs))

    both(graphs, train, make_model=Sum)
    assert graphs.num_computed == 3


def test_a_rate_that_changes_now_and_then_is_recorded_anew(graphs):
    def train(model, capture):
        optimizer = momentum(model)
        return fit(
            model,
            batches(graphs, [6] * 6),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=12,
            lr_scheduler=StepLR(optimizer, 2, gamma=0.7),
            progress=False,
            capture=capture,
        )

    plain, captured = both(graphs, train)
    assert plain["train_loss"] == captured["train_loss"]
    assert plain["learning_rate"] == captured["learning_rate"]
    assert (graphs.num_recorded, graphs.num_computed) == (6, 72 - 3 - 5 * 2)


def test_a_number_that_changes_with_each_update_ends_the_graphs(graphs):
    def train(model, capture):
        optimizer = momentum(model)
        step = TrainStep(
            model,
            optimizer,
            nn.CrossEntropyLoss(),
            lr_scheduler=OneCycleLR(optimizer, max_lr=0.1, total_steps=20),
            capture=capture,
        )
        if not capture:
            return [step([batch]) for batch in batches(graphs, [6] * 10)]
        with pytest.warns(UserWarning, match="changes with each update: give a learning rate") as caught:
            results = [step([batch]) for batch in batches(graphs, [6] * 10)]
        assert len([each for each in caught if "capture" in str(each.message)]) == 1
        return results

    plain, captured = both(graphs, train)
    assert measured(plain) == measured(captured)
    assert graphs.num_recorded == 0


def one_cycle(optimizer):
    return OneCycleLR(optimizer, 0.1, 20, cycle_momentum=False)


@pytest.mark.parametrize("make_scheduler", [one_cycle, lambda optimizer: ExponentialLR(optimizer, 0.9)])
def test_a_rate_in_a_tensor_follows_its_schedule(graphs, make_scheduler):
    def train(model, capture):
        optimizer = Decaying(model.parameters(), torch.tensor(0.1, device=graphs.device))
        scheduler = make_scheduler(optimizer)
        step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), lr_scheduler=scheduler, capture=capture)
        rates = []
        for batch in batches(graphs, [6] * 12):
            step([batch])
            rates.append(float(step.last_learning_rate))
        return rates

    plain, captured = both(graphs, train)
    assert plain == captured
    assert len(set(plain)) > 10
    assert (graphs.num_recorded, graphs.num_computed) == (1, 12 - 3)


def unfreeze_a_layer(model, _):
    model[4].weight.requires_grad_(True)


def drop_more(model, _):
    model[3].p = 0.6


def move_weights(model, _):
    for parameter in model.parameters():
        parameter.data = parameter.data.clone() * 2


def roll_back(_, optimizer):
    state = optimizer.state_dict()
    for each in state["state"].values():
        each["momentum_buffer"] = each["momentum_buffer"] * 3
    optimizer.load_state_dict(state)


def decay_weights(_, optimizer):
    optimizer.param_groups[0]["weight_decay"] = 0.1


@pytest.mark.parametrize("change", [unfreeze_a_layer, drop_more, move_weights, roll_back, decay_weights])
def test_what_changes_between_epochs_is_recorded_anew(graphs, change):
    def train(model, capture):
        model[4].weight.requires_grad_(change is not unfreeze_a_layer)
        optimizer = momentum(model)

        class Change(Callback):
            def on_epoch_end(self, run):
                if run.epoch == 3:
                    change(model, optimizer)

        return fit(
            model,
            batches(graphs, [6, 6]),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=6,
            callbacks=[Change()],
            progress=False,
            capture=capture,
        )

    plain, captured = both(graphs, train)
    assert plain["train_loss"] == captured["train_loss"]
    assert (graphs.num_recorded, graphs.num_computed) == (2, 3 + 4)


def test_a_state_that_is_loaded_within_an_epoch(graphs):
    def train(model, capture):
        optimizer = momentum(model)
        step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), capture=capture)
        for number, batch in enumerate(batches(graphs, [6] * 10)):
            if number == 6:
                roll_back(model, optimizer)
            step([batch])

    both(graphs, train)
    assert (graphs.num_recorded, graphs.num_computed) == (2, 3 + 2)


def test_what_changes_before_another_form_is_recorded(graphs):
    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        large, small = batches(graphs, [6, 5])
        list(train_epoch(step, [large] * 5))
        model[3].p = 0.6
        for _ in range(4):
            step([small])
        list(train_epoch(step, [large] * 4))

    both(graphs, train)
    assert graphs.num_recorded == 3


def test_fit_resumes_as_without(graphs, tmp_path):
    def train(model, capture):
        folder = tmp_path / str(capture)
        histories: list[list[float]] = []
        for epochs in (4, 7):
            torch.manual_seed(len(histories))
            resumed = mlp().to(graphs.device)
            history = fit(
                resumed,
                TensorLoader(*(t.to(graphs.device) for t in classes(30)), batch_size=8, shuffle=True),
                criterion=nn.CrossEntropyLoss(),
                optimizer=momentum(resumed),
                epochs=epochs,
                callbacks=[Checkpointer(folder)],
                resume_from=folder if histories else None,
                progress=False,
                capture=capture,
            )
            histories.append(history["train_loss"])
        model.load_state_dict(resumed.state_dict())
        return histories

    plain, captured = both(graphs, train)
    assert plain == captured
    assert graphs.num_recorded == 3


class Reading(nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs) * (1.0 if inputs.mean().item() > 0 else 0.5)


def test_a_model_that_reads_a_value_ends_the_graphs(graphs):
    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        data = batches(graphs, [6] * 6)
        if not capture:
            return [step([batch]) for batch in data]
        with pytest.warns(UserWarning, match="capture=True ends here, .* the host waits"):
            return [step([batch]) for batch in data]

    plain, captured = both(graphs, train, make_model=lambda: Reading(5, 3))
    assert measured(plain) == measured(captured)
    assert graphs.num_recorded == 0


def hook_a_module(model, _):
    model[0].register_forward_hook(lambda *_: None)


def hook_the_optimizer(_, optimizer):
    optimizer.register_step_post_hook(lambda *_: None)


def hook_a_gradient(model, _):
    model[4].bias.register_hook(lambda gradient: None)


def hook_a_finished_gradient(model, _):
    model[4].bias.register_post_accumulate_grad_hook(lambda parameter: None)


@pytest.mark.parametrize(
    ("hook", "owner"),
    [
        (hook_a_module, "Linear"),
        (hook_the_optimizer, "SGD"),
        (hook_a_gradient, "Parameter"),
        (hook_a_finished_gradient, "Parameter"),
    ],
)
@pytest.mark.parametrize("after", [0, 3])
def test_a_hook_ends_the_graphs(graphs, hook, owner, after):
    model = mlp().to(graphs.device)
    optimizer = momentum(model)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), capture=True)
    data = batches(graphs, [6] * 4)
    for _ in range(after):
        list(train_epoch(step, data))
    assert graphs.num_computed == (9 if after else 0)
    hook(model, optimizer)
    with pytest.warns(UserWarning, match=f"{owner} has a hook, which a graph would not call"):
        list(train_epoch(step, data))
    num_computed = graphs.num_computed
    list(train_epoch(step, data))
    assert graphs.num_computed == num_computed


def test_a_hook_of_all_modules_ends_the_graphs(graphs):
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        model = mlp().to(graphs.device)
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=True)
        with pytest.warns(UserWarning, match="all modules or optimizers have a hook"):
            list(train_epoch(step, batches(graphs, [6] * 4)))
    finally:
        handle.remove()
    assert graphs.num_recorded == 0


class Averaging(nn.Linear):
    """Assigns a new tensor in each update, as a buffer or as an attribute."""

    def __init__(self, kind):
        super().__init__(5, 3)
        if kind == "buffer":
            self.register_buffer("average", torch.zeros(5))
        else:
            self.average = torch.zeros(5)

    def forward(self, inputs):
        self.average = self.average.to(inputs.device) * 0.9 + inputs.detach().mean(dim=0)
        return super().forward(inputs + self.average)


class Counting(nn.Linear):
    """Divides by the number of its calls."""

    num_calls = 0

    def forward(self, inputs):
        self.num_calls += 1
        return super().forward(inputs) / self.num_calls


class Once(nn.Linear):
    """Reads and keeps a value in its first call, and then no more."""

    mean = None

    def forward(self, inputs):
        if self.mean is None:
            self.mean = inputs.mean().item()
        return super().forward(inputs - self.mean)


@pytest.mark.parametrize(
    "make_model", [lambda: Averaging("buffer"), lambda: Averaging("attribute"), lambda: Counting(5, 3)]
)
def test_what_is_assigned_in_each_update_ends_the_graphs(graphs, make_model):
    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        data = batches(graphs, [6] * 8)
        if not capture:
            return [step([batch]) for batch in data]
        with pytest.warns(UserWarning, match="assigns a tensor or a number in each update"):
            return [step([batch]) for batch in data]

    plain, captured = both(graphs, train, make_model=make_model)
    assert measured(plain) == measured(captured)
    assert graphs.num_recorded == 0


def test_what_is_done_in_the_first_update_only_does_not_matter(graphs):
    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        return [step([batch]) for batch in batches(graphs, [6] * 8)]

    plain, captured = both(graphs, train, make_model=lambda: Once(5, 3))
    assert measured(plain) == measured(captured)
    assert graphs.num_computed == 5


def test_gradients_that_no_optimizer_has_end_the_graphs(graphs):
    model = mlp().to(graphs.device)
    optimizer = SGD(model[4].parameters(), lr=0.1)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), capture=True)
    with pytest.warns(UserWarning, match="0.weight gets a gradient, and no optimizer has it"):
        list(train_epoch(step, batches(graphs, [6] * 4)))


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (([torch.zeros(2, 5), 1.0], torch.zeros(2, dtype=torch.int64)), "a batch holds a float"),
        ((torch.zeros(2, 5, requires_grad=True), torch.zeros(2, dtype=torch.int64)), "requires a gradient"),
        (
            (torch.zeros(2, 5, device="meta"), torch.zeros(2, dtype=torch.int64)),
            "a batch holds a tensor on meta",
        ),
    ],
)
@pytest.mark.usefixtures("as_on_cuda")
def test_a_batch_that_no_graph_can_read(batch, reason, monkeypatch):
    monkeypatch.setattr(capturing, "CudaRecorder", TapeRecorder)
    model = nn.Linear(5, 3)
    captured = capturing.capture_updates(model, nn.CrossEntropyLoss(), [momentum(model)], "fp32")
    assert captured is not None
    updated = StepResult(torch.tensor(1.0), 2, 2, None)
    with pytest.warns(UserWarning, match=reason):
        assert captured(lambda _: updated, [batch]) is updated


@pytest.mark.gpu
def test_batches_on_the_cpu_end_the_graphs(cuda):
    model = mlp().to(cuda)
    step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=True)
    with pytest.warns(UserWarning, match="a batch holds a tensor on cpu: keep data on the device"):
        step([classes()])


def test_more_forms_than_are_kept(graphs, monkeypatch):
    monkeypatch.setattr(capturing, "MOST_FORMS", 2)

    def train(model, capture):
        step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=capture)
        for _ in range(5):
            list(train_epoch(step, batches(graphs, [6, 5, 4, 3])))

    both(graphs, train)
    assert (graphs.num_recorded, graphs.num_computed) == (2, 4)


def test_nothing_is_read_from_the_device(graphs):
    model = mlp().to(graphs.device)
    optimizer = Decaying(model.parameters(), torch.tensor(0.1, device=graphs.device))
    scheduler = one_cycle(optimizer)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), lr_scheduler=scheduler, capture=True)
    data = batches(graphs, [6] * 8)
    for batch in data[:4]:
        step([batch])
    scheduler.step = lambda: None  # torch's own reads the rate
    with HostReads() as reads:
        for batch in data[4:]:
            step([batch])
    assert reads.count == 0
    assert graphs.num_computed == 5


def test_a_step_that_is_let_go_lets_go_of_its_graphs(graphs):
    model = mlp().to(graphs.device)
    step = TrainStep(model, momentum(model), nn.CrossEntropyLoss(), capture=True)
    for batch in batches(graphs, [6] * 5):
        step([batch])
    alive = weakref.ref(step._captured)
    gc.disable()
    try:
        del step
        assert alive() is None
    finally:
        gc.enable()


def test_on_the_cpu_it_does_nothing_but_say_so():
    plain, captured = mlp(), mlp()
    list(train_epoch(TrainStep(plain, momentum(plain), nn.CrossEntropyLoss()), [classes()]))
    with pytest.warns(UserWarning, match="there are graphs on CUDA only, and the model is on cpu") as caught:
        step = TrainStep(captured, momentum(captured), nn.CrossEntropyLoss(), capture=True)
    assert caught[0].filename == __file__
    torch.manual_seed(0)
    mlp()
    list(train_epoch(step, [classes()]))
    with pytest.warns(UserWarning, match="capture=True does nothing"):
        fit(
            captured,
            [classes()],
            criterion=nn.CrossEntropyLoss(),
            optimizer=momentum(captured),
            epochs=1,
            progress=False,
            capture=True,
        )


class Unknown(SGD):
    """May do anything in its step."""


@pytest.mark.parametrize(
    ("make_optimizer", "precision", "reason"),
    [
        (SGD, "fp32", None),
        (Adam, "fp32", r"Adam counts its steps on the CPU: make it with capturable=True"),
        (lambda parameters: AdamW(parameters, capturable=True), "bf16", None),
        (LBFGS, "fp32", "LBFGS decides by the loss"),
        (Unknown, "fp32", "Unknown does not say whether it is capturable"),
        (SGD, "fp16", "take bf16"),
    ],
)
@pytest.mark.usefixtures("as_on_cuda")
def test_which_updates_may_be_recorded(make_optimizer, precision, reason):
    model = nn.Linear(2, 1)
    found = obstacle_in_setup(model, [make_optimizer(model.parameters())], precision)
    assert found is None if reason is None else reason in found


@pytest.mark.usefixtures("as_on_cuda")
def test_wrapped_models_and_several_processes(monkeypatch):
    model = nn.Linear(2, 1)
    optimizers = [SGD(model.parameters())]
    assert "wrapped as DataParallel" in obstacle_in_setup(nn.DataParallel(model), optimizers, "fp32")
    monkeypatch.setattr("practicezoo.training.capturable.world_size", lambda: 2)
    assert "2 processes exchange gradients" in obstacle_in_setup(model, optimizers, "fp32")


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: x.relu() * 2.0, None),
        (lambda x: x * torch.rand(()), "aten.rand.default has a tensor on cpu"),
        (lambda x: x.to("cpu"), "has a tensor on cpu, which would be read only once"),
    ],
)
def test_operations_elsewhere_are_found(function, found):
    inputs = torch.zeros(3, device="meta")
    with ElsewhereMode(torch.device("meta")) as elsewhere:
        try:
            function(inputs)
        except (NotImplementedError, RuntimeError):
            pytest.skip("meta tensors cannot do that")
    assert found is None if not elsewhere.found else found in elsewhere.found[0]
    assert bool(elsewhere.found) == (found is not None)
