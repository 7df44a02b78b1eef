"""Laws of ``fit``: the hand-written loop, whatever the batches and loaders."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Sampler, TensorDataset

from practicezoo import TensorLoader
from practicezoo.training import Accuracy, evaluate
from support.fitting import fit_for, linear
from support.toys import Recorder, classes, close, mlp, same_weights, split, train_by_hand


class TestFit:
    @pytest.mark.parametrize("optimizer", [SGD, Adam])
    def test_is_the_hand_written_loop(self, optimizer):
        ours, theirs = mlp(), mlp()

        def loader():
            return DataLoader(
                TensorDataset(*classes()), 8, shuffle=True, generator=torch.Generator().manual_seed(3)
            )

        optimizers = [optimizer(model.parameters(), lr=0.05) for model in (ours, theirs)]
        schedulers = [StepLR(member, 5, gamma=0.5) for member in optimizers]
        torch.manual_seed(1)
        settings = {"lr_scheduler": schedulers[0], "lr_scheduler_interval": "update"}
        fit_for(ours, loader(), epochs=3, optimizer=optimizers[0], **settings)
        torch.manual_seed(1)
        batches = loader()
        for _ in range(3):
            train_by_hand(theirs, batches, nn.CrossEntropyLoss(), optimizers[1:], schedulers[1:])
        assert same_weights(ours, theirs)

    def test_measuring_does_not_change_training(self):
        plain, measured = mlp(), mlp()
        for model, settings in (
            (plain, {}),
            (measured, {"val_loader": [classes()], "metrics": {"a": Accuracy()}}),
        ):
            torch.manual_seed(1)
            fit_for(model, split(*classes(), 8), epochs=2, **settings)
        assert same_weights(plain, measured)

    @pytest.mark.parametrize(
        ("num_items", "batch_size", "last"), [(60000, 128, 96), (13374, 256, 62), (759, 32, 23)]
    )
    def test_train_loss_is_the_mean_over_items(self, num_items, batch_size, last):
        inputs, targets = classes(num_items, dtype=torch.float64)
        inputs[-last:] *= 9  # the short batch is unlike the others
        model = linear()
        expected = nn.functional.cross_entropy(model(inputs), targets).item()
        assert num_items % batch_size == last
        history = fit_for(model, split(inputs, targets, batch_size), lr=0.0)
        assert history["train_loss"] == [pytest.approx(expected, rel=1e-12)]

    @pytest.mark.parametrize("accumulate", [1, 3, 1000])
    def test_train_loss_does_not_depend_on_the_batches(self, accumulate):
        criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2]).double(), ignore_index=2)
        inputs, targets = classes(dtype=torch.float64)
        model = linear()
        expected = criterion(model(inputs), targets).item()
        for size in (1, 7, 30):
            history = fit_for(
                model, split(inputs, targets, size), lr=0.0, criterion=criterion, accumulate=accumulate
            )
            assert history["train_loss"] == [pytest.approx(expected, rel=1e-12)]

    def test_accumulation_equals_large_batches(self):
        data = classes(29, dtype=torch.float64)
        models = linear(), linear()
        histories = [
            fit_for(models[0], split(*data, 4), epochs=3, accumulate=2),
            fit_for(models[1], split(*data, 8), epochs=3),
        ]
        close(models[0].state_dict(), models[1].state_dict())
        close(histories[0]["train_loss"], histories[1]["train_loss"])

    def test_columns(self):
        model = mlp()
        history = fit_for(
            model, [classes()], epochs=2, val_loader=[classes()], metrics={"accuracy": Accuracy()}
        )
        assert list(history) == ["train_loss", "learning_rate", "val_loss", "val_accuracy", "seconds"]
        assert history.epochs == [1, 2]
        assert min(history["seconds"]) > 0
        assert list(fit_for(model, [classes()])) == ["train_loss", "learning_rate", "seconds"]

    @pytest.mark.parametrize(
        ("interval", "rates"),
        [("auto", [1, 1 / 2]), ("epoch", [1, 1 / 2]), ("update", [2**-2, 2**-5])],
    )
    def test_learning_rate_is_that_of_the_epochs_last_update(self, interval, rates):
        model = mlp()
        optimizer = SGD(model.parameters(), lr=1.0)
        history = fit_for(
            model,
            split(*classes(), 10),
            epochs=2,
            optimizer=optimizer,
            lr_scheduler=StepLR(optimizer, 1, gamma=0.5),
            lr_scheduler_interval=interval,
        )
        assert history["learning_rate"] == rates

    def test_validation_measures_the_trained_model(self):
        model, metrics = mlp(), {"accuracy": Accuracy()}
        validation = split(*classes(25), 10)
        history = fit_for(model, [classes()], epochs=2, val_loader=validation, metrics=metrics)
        results = evaluate(model, validation, criterion=nn.CrossEntropyLoss(), metrics=metrics)
        assert {f"val_{name}": value for name, value in results.items()}.items() <= history.last().items()

    @pytest.mark.parametrize("kind", ["list", "DataLoader", "TensorLoader", "iterable"])
    def test_any_iterable_of_batches(self, kind):
        data = classes(20)

        class Again:  # an iterable without a length
            def __iter__(self):
                return iter(split(*data, 8))

        loader = {
            "list": split(*data, 8),
            "DataLoader": DataLoader(TensorDataset(*data), 8),
            "TensorLoader": TensorLoader(*data, batch_size=8),
            "iterable": Again(),
        }[kind]
        model, expected = mlp(), mlp()
        torch.manual_seed(1)
        fit_for(model, loader, epochs=2)
        torch.manual_seed(1)
        optimizer = SGD(expected.parameters(), lr=0.1)
        for _ in range(2):
            train_by_hand(expected, split(*data, 8), nn.CrossEntropyLoss(), [optimizer])
        # a DataLoader draws from the global generator, which dropout uses
        assert kind == "DataLoader" or same_weights(model, expected)
        assert next(model.parameters()).isfinite().all()

    def test_a_generator_is_used_up_after_one_epoch(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            fit_for(mlp(), (batch for batch in [classes()]), epochs=2)

    @pytest.mark.parametrize("place", ["loader", "sampler", "batch_sampler"])
    def test_set_epoch(self, place):
        class ByEpoch(Sampler):
            def __init__(self):
                self.epochs = []

            def set_epoch(self, epoch):
                self.epochs.append(epoch)

            def __len__(self):
                return 30

            def __iter__(self):
                return iter([[0, 1], [2, 3]] if place == "batch_sampler" else range(30))

        class Loader(ByEpoch):
            def __iter__(self):
                return iter([classes()])

        part = Loader() if place == "loader" else ByEpoch()
        dataset = TensorDataset(*classes())
        loader = {
            "loader": lambda: part,
            "sampler": lambda: DataLoader(dataset, 8, sampler=part),
            "batch_sampler": lambda: DataLoader(dataset, batch_sampler=part),
        }[place]()
        fit_for(mlp(), loader, epochs=3)
        assert part.epochs == [1, 2, 3]

    def test_several_optimizers_and_clipping_reach_the_step(self):
        model, recorder = mlp(), Recorder()
        optimizers = [SGD(model[:2].parameters(), lr=0.25), Adam(model[4].parameters())]
        history = fit_for(model, [classes()], optimizer=optimizers, max_grad_norm=1.0, callbacks=[recorder])
        assert history["learning_rate"] == [0.25]
        assert recorder.results[0].grad_norm > 0

    def test_bf16_reaches_training_and_validation(self):
        model, seen = nn.Linear(5, 3), []
        model.register_forward_hook(lambda *call: seen.append(call[2].dtype))
        fit_for(model, [classes()], val_loader=[classes()], precision="bf16")
        assert seen == [torch.bfloat16] * 2


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_gpu_trains_as_the_cpu(cuda, on_device, accumulate):
    data, models, histories = classes(23, dtype=torch.float64), [], []
    for device in ("cpu", cuda):
        models.append(linear().to(device))
        batches = TensorLoader(*data, batch_size=4, device=device if on_device else None)
        metrics = {"accuracy": Accuracy()}
        histories.append(
            fit_for(models[-1], batches, epochs=3, val_loader=batches, metrics=metrics, accumulate=accumulate)
        )
    for name in ("train_loss", "val_loss", "val_accuracy"):
        assert histories[1][name] == pytest.approx(histories[0][name], rel=1e-9)
    close(models[1].cpu().state_dict(), models[0].state_dict(), tolerance=1e-9)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_default_device_of_the_users_own_is_left_alone(accumulate):
    model, batches = linear(), split(*classes(dtype=torch.float64), 8)
    with torch.device("meta"):
        history = fit_for(model, batches, val_loader=batches, accumulate=accumulate)
    assert all(torch.tensor(history["val_loss"], device="cpu").isfinite())
