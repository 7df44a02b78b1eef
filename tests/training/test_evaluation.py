"""Laws of measuring: exact for every batch size, and the model is as it was."""

from typing import Any, NamedTuple

import pytest
import torch
import torchmetrics
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, DistributedSampler, Subset, TensorDataset

from practicezoo import PaddedSequence, SequenceEncoder
from practicezoo.training import Accuracy, evaluate, fit, predict
from support.toys import HostReads, classes, close, mlp, split

NUM_ITEMS = 97


def double_mlp() -> nn.Module:
    return mlp().double()


def training_flags(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def half_frozen() -> nn.Module:
    """A model whose submodules' training flags differ."""
    model = mlp().train()
    model[1].eval()
    return model


class TestEvaluate:
    @pytest.mark.parametrize(
        "criterion",
        [
            nn.CrossEntropyLoss(),
            nn.CrossEntropyLoss(weight=torch.tensor([0.2, 1.0, 3.0]).double()),
            nn.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1),
            nn.CrossEntropyLoss(weight=torch.tensor([0.0, 1.0, 3.0]).double()),
        ],
        ids=["plain", "class weights", "ignore_index", "a class of weight zero"],
    )
    def test_batch_size_makes_no_difference(self, criterion):
        inputs, targets = classes(NUM_ITEMS, dtype=torch.float64)
        model = double_mlp()
        expected = criterion(model.eval()(inputs), targets).item()
        accuracy = (model(inputs).argmax(dim=1) == targets).double().mean().item()
        for size in (1, 7, 64, NUM_ITEMS):
            results = evaluate(
                model, split(inputs, targets, size), criterion=criterion, metrics={"accuracy": Accuracy()}
            )
            assert results == {
                "loss": pytest.approx(expected, rel=1e-12),
                "accuracy": pytest.approx(accuracy, rel=1e-12),
            }

    def test_summed_criterion_is_reported_per_item(self):
        inputs, targets = classes(NUM_ITEMS, dtype=torch.float64)
        model = double_mlp()
        means = evaluate(model, [(inputs, targets)], criterion=nn.CrossEntropyLoss())
        sums = evaluate(model, split(inputs, targets, 7), criterion=nn.CrossEntropyLoss(reduction="sum"))
        assert sums == pytest.approx(means, rel=1e-12)

    def test_torchmetrics_fit_as_they_are(self):
        model = double_mlp()
        metrics = {
            "accuracy": Accuracy(),
            "micro": torchmetrics.Accuracy(task="multiclass", num_classes=3, average="micro"),
            "recall": torchmetrics.Recall(task="multiclass", num_classes=3, average="macro"),
        }
        data = classes(NUM_ITEMS, dtype=torch.float64)
        results = evaluate(model, split(*data, 7), metrics=metrics)
        whole = evaluate(model, [data], metrics=metrics)
        assert results["accuracy"] == pytest.approx(results["micro"], abs=1e-7)
        assert results == pytest.approx(whole, abs=1e-7)
        assert all(type(value) is float for value in results.values())

    def test_a_sampler_that_repeats_samples(self):
        dataset = TensorDataset(*classes(7))

        def measure(**settings):
            sampler: Any = DistributedSampler(dataset, 2, 0, **settings)
            evaluate(mlp(), DataLoader(dataset, 3, sampler=sampler), metrics={"accuracy": Accuracy()})

        message = r"its DistributedSampler gives 1 of them twice .*: use Subset\(dataset, range\(rank, "
        with pytest.raises(ValueError, match=message):
            measure()
        measure(drop_last=True)
        shards = [Subset(dataset, range(rank, len(dataset), 2)) for rank in range(2)]
        assert sorted(index for shard in shards for index in shard.indices) == list(range(7))

    def test_metrics_start_afresh(self):
        metrics = {"accuracy": Accuracy(), "theirs": torchmetrics.Accuracy(task="multiclass", num_classes=3)}
        model = mlp()
        first = evaluate(model, split(*classes(), 7), metrics=metrics)
        assert evaluate(model, split(*classes(), 7), metrics=metrics) == first

    def test_torchmetrics_in_fit(self):
        model, metrics = mlp(), {"accuracy": torchmetrics.Accuracy(task="multiclass", num_classes=3)}
        history = fit(
            model,
            [classes()],
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=0.1),
            epochs=2,
            val_loader=split(*classes(), 7),
            metrics=metrics,
        )
        ours = evaluate(model, [classes()], metrics={"accuracy": Accuracy()})
        assert history["val_accuracy"][-1] == pytest.approx(ours["accuracy"], abs=1e-7)

    def test_runs_in_evaluation_mode_without_gradients(self):
        seen = []

        class Watch(nn.Linear):
            def forward(self, inputs):
                seen.append((self.training, torch.is_grad_enabled()))
                return super().forward(inputs)

        evaluate(Watch(5, 3), [classes()], metrics={"accuracy": Accuracy()})
        assert seen == [(False, False)]

    def test_training_flags_are_given_back(self):
        model = half_frozen()
        before = training_flags(model)
        evaluate(model, [classes()], criterion=nn.CrossEntropyLoss())
        assert training_flags(model) == before
        assert len(set(before)) == 2

    def test_training_flags_are_given_back_after_an_error(self):
        model = half_frozen()
        before = training_flags(model)
        for measure in (
            lambda: evaluate(model, broken(), metrics={"a": Accuracy()}),
            lambda: predict(model, broken()),
        ):
            with pytest.raises(OSError, match="the disk is gone"):
                measure()
            assert training_flags(model) == before
            assert torch.is_grad_enabled()

    def test_nothing_of_the_model_changes(self):
        model = mlp().train()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        random_state = torch.get_rng_state()
        evaluate(model, [classes()], criterion=nn.CrossEntropyLoss())
        close(model.state_dict(), before, tolerance=0)
        assert torch.equal(torch.get_rng_state(), random_state)
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_host_reads_do_not_grow_with_the_batches(self):
        counts = []
        for size in (30, 1):
            with HostReads() as reads:
                evaluate(
                    mlp(),
                    split(*classes(), size),
                    criterion=nn.CrossEntropyLoss(ignore_index=0),
                    metrics={"accuracy": Accuracy()},
                )
            counts.append(reads.count)
        assert counts[0] == counts[1] <= 3

    def test_bfloat16_losses_are_summed_in_float32(self):
        model = nn.Linear(1, 1).bfloat16()
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        batches = [(torch.zeros(8, 1).bfloat16(), torch.ones(8, 1).bfloat16())] * 1000
        assert evaluate(model, batches, criterion=nn.MSELoss()) == {"loss": 1.0}

    def test_bf16_precision(self):
        data = classes()
        model = mlp()
        fp32 = evaluate(model, [data], criterion=nn.CrossEntropyLoss())["loss"]
        bf16 = evaluate(model, [data], criterion=nn.CrossEntropyLoss(), precision="bf16")["loss"]
        assert bf16 == pytest.approx(fp32, rel=0.02)
        assert bf16 != fp32

    def test_nothing_to_measure(self):
        with pytest.raises(ValueError, match="criterion or metrics must be given, got neither"):
            evaluate(mlp(), [classes()])

    def test_a_metric_called_loss(self):
        with pytest.raises(ValueError, match="metrics must not be named 'loss' beside a criterion"):
            evaluate(mlp(), [classes()], criterion=nn.CrossEntropyLoss(), metrics={"loss": Accuracy()})
        assert list(evaluate(mlp(), [classes()], metrics={"loss": Accuracy()})) == ["loss"]

    def test_a_class_for_an_instance(self):
        with pytest.raises(TypeError, match="criterion must be an instance, got the class CrossEntropyLoss"):
            evaluate(mlp(), [classes()], criterion=nn.CrossEntropyLoss)
        wrong: Any = {"accuracy": Accuracy}
        with pytest.raises(TypeError, match="accuracy must be an instance, got the class Accuracy"):
            evaluate(mlp(), [classes()], metrics=wrong)

    def test_empty_loader(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            evaluate(mlp(), [], criterion=nn.CrossEntropyLoss())

    def test_batch_that_is_no_pair(self):
        with pytest.raises(
            TypeError, match=r"a batch must be a plain pair \(inputs, targets\), or a dict .*, got Tensor"
        ):
            evaluate(mlp(), [torch.zeros(2, 5)], criterion=nn.CrossEntropyLoss())

    @pytest.mark.parametrize("measure", [evaluate, predict])
    def test_unknown_precision(self, measure):
        settings = {"metrics": {"a": Accuracy()}} if measure is evaluate else {}
        with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'int8'"):
            measure(mlp(), [classes()], precision="int8", **settings)


class Named(NamedTuple):
    values: Tensor
    pair: tuple[Tensor, Tensor]


class Give(nn.Module):
    """Returns its input in a container."""

    def __init__(self, container) -> None:
        super().__init__()
        self.container = container

    def forward(self, inputs: Tensor):
        return self.container(inputs)


class TestPredict:
    @pytest.mark.parametrize("size", [1, 7, NUM_ITEMS])
    def test_outputs_come_in_the_loaders_order(self, size):
        inputs, targets = classes(NUM_ITEMS, dtype=torch.float64)
        model = double_mlp()
        close(predict(model, split(inputs, targets, size)), model.eval()(inputs).detach())

    @pytest.mark.parametrize(
        "container",
        [
            lambda x: Named(x, (x + 1, x + 2)),
            lambda x: {"values": x, "more": [x + 1, {"deep": x + 2}]},
            lambda x: (x, x + 1),
            lambda x: [x],
        ],
        ids=["named tuple", "dict", "tuple", "list"],
    )
    def test_nested_outputs_are_joined_part_by_part(self, container):
        inputs = torch.arange(10.0).view(10, 1)
        outputs = predict(Give(container), [(part, None) for part in inputs.split(4)])
        assert type(outputs) is type(container(inputs))
        close(outputs, container(inputs), tolerance=0)

    @pytest.mark.parametrize("wrap", [lambda part: part, lambda part: [part], lambda part: (part, None)])
    def test_targets_are_not_needed(self, wrap):
        inputs = torch.arange(10.0).view(10, 1)
        assert torch.equal(predict(nn.Identity(), [wrap(part) for part in inputs.split(4)]), inputs)

    def test_loaders_without_targets(self):
        inputs = torch.arange(10.0).view(10, 1)
        for dataset in (TensorDataset(inputs), inputs):
            assert torch.equal(predict(nn.Identity(), DataLoader(dataset, 4)), inputs)

    def test_padded_sequences_are_one_input(self):
        class Lengths(nn.Module):
            def forward(self, batch):
                assert isinstance(batch, PaddedSequence)
                return batch.lengths

        batches = [
            PaddedSequence(torch.zeros(2, 3), torch.tensor([3, 1])),
            PaddedSequence(torch.zeros(1, 2), torch.tensor([2])),
        ]
        assert predict(Lengths(), batches).tolist() == [3, 1, 2]
        assert predict(Lengths(), [(batch, None) for batch in batches]).tolist() == [3, 1, 2]

    def test_a_dict_gives_the_keywords_of_forward(self):
        class Sum(nn.Module):
            def forward(self, x, y):
                return x + y

        batches = [{"x": torch.ones(2), "y": torch.ones(2)}] * 2
        assert predict(Sum(), batches).tolist() == [2.0] * 4
        assert predict(Sum(), batches[0]).tolist() == [2.0] * 2

    def test_outputs_are_ordinary_tensors(self):
        outputs = predict(nn.Linear(5, 3), [classes()])
        assert not outputs.is_inference()
        assert not outputs.requires_grad
        outputs.add_(1).requires_grad_().sum().backward()

    def test_flags_are_given_back(self):
        model = half_frozen()
        before = training_flags(model)
        predict(model, [classes()])
        assert training_flags(model) == before

    def test_bf16_precision(self):
        assert predict(nn.Linear(5, 3), [classes()], precision="bf16").dtype == torch.bfloat16

    @pytest.mark.gpu
    def test_outputs_have_arrived_from_cuda(self, cuda):
        inputs = torch.arange(2.0**24).view(16, -1)
        outputs = predict(
            nn.Sequential(nn.Identity()).to(cuda), [(part.to(cuda), None) for part in inputs.split(1)]
        )
        assert torch.equal(outputs, inputs)

    def test_empty_loader(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            predict(nn.Identity(), [])

    def test_outputs_that_cannot_be_joined(self):
        with pytest.raises(
            TypeError, match="outputs must be tensors, or tuples, lists or dicts of them, got str"
        ):
            predict(Give(lambda _: "Italian"), [classes()])


def broken():
    """A loader that fails after its first batch."""
    yield classes()
    raise OSError("the disk is gone")


def test_predict_pads_padded_outputs_to_the_longest_of_all():
    encoder = SequenceEncoder(3, 4).double()
    batches = [
        PaddedSequence(torch.randn(2, steps, 3).double(), torch.tensor([steps, 1])) for steps in (2, 5)
    ]
    outputs = predict(encoder, [(batch, None) for batch in batches]).outputs
    assert outputs.data.shape == (4, 5, 4)
    assert outputs.lengths.tolist() == [2, 1, 5, 1]
    close(outputs.data[:2, :2], encoder(batches[0]).outputs.data.detach())


def test_predict_refuses_packed_outputs():
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(3, 3), torch.randn(1, 3)])
    with pytest.raises(TypeError, match="to be concatenated, got PackedSequence"):
        predict(SequenceEncoder(3, 4), [(packed, None)])
