"""Laws of the training loop: the epoch as a generator, and ``fit`` around it."""

import itertools
import re

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Sampler, TensorDataset

from practicezoo import PaddedSequence, TensorLoader
from practicezoo.training import (
    Accuracy,
    Callback,
    EarlyStopping,
    Run,
    TrainStep,
    evaluate,
    fit,
    progress,
    train_epoch,
)
from support.toys import HostReads, Recorder, classes, close, mlp, same_weights, split, train_by_hand


def linear(in_features: int = 5, out_features: int = 3) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(in_features, out_features).double()


def step_for(model: nn.Module, **settings) -> TrainStep:
    return TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), **settings)


def fit_for(model: nn.Module, loader, *, lr: float = 0.1, **settings):
    settings = {
        "criterion": nn.CrossEntropyLoss(),
        "epochs": 1,
        "optimizer": SGD(model.parameters(), lr=lr),
    } | settings
    return fit(model, loader, **settings)


class TestTrainEpoch:
    def test_a_short_last_window_is_an_ordinary_update(self):
        batches = split(*classes(23), 4)  # 4, 4, 4, 4, 4, 3
        results = list(train_epoch(step_for(mlp()), batches, accumulate=4))
        assert [result.num_items for result in results] == [16, 7]

    def test_accumulated_windows_equal_large_batches(self):
        data = classes(23, dtype=torch.float64)
        models = linear(), linear()
        small = list(train_epoch(step_for(models[0]), split(*data, 4), accumulate=2))
        large = list(train_epoch(step_for(models[1]), split(*data, 8)))
        close(models[0].state_dict(), models[1].state_dict())
        close([result.loss for result in small], [result.loss for result in large])

    def test_batches_are_taken_when_an_update_is_asked_for(self):
        taken = []
        batches = (taken.append(index) or batch for index, batch in enumerate(split(*classes(20), 4)))
        model = mlp().eval()
        updates = train_epoch(step_for(model), batches, accumulate=2)
        assert (taken, model.training) == ([], False)
        next(updates)
        assert (taken, model.training) == ([0, 1], True)
        next(updates)
        assert taken == [0, 1, 2, 3]

    def test_the_caller_may_leave_early(self):
        whole, left = mlp(), mlp()
        torch.manual_seed(1)
        list(itertools.islice(train_epoch(step_for(left), split(*classes(20), 4)), 2))
        torch.manual_seed(1)
        list(train_epoch(step_for(whole), split(*classes(20), 4)[:2]))
        assert same_weights(left, whole)

    def test_evaluation_between_updates_does_not_disturb(self):
        plain, watched = mlp(), mlp()
        torch.manual_seed(1)
        list(train_epoch(step_for(plain), split(*classes(20), 4)))
        torch.manual_seed(1)
        for _ in train_epoch(step_for(watched), split(*classes(20), 4)):
            evaluate(watched, [classes()], metrics={"accuracy": Accuracy()})
        assert same_weights(plain, watched)

    @pytest.mark.parametrize("accumulate", [1, 3])
    def test_no_host_read(self, accumulate):
        batches = split(*classes(49), 1)
        model = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.Linear(8, 3))
        with HostReads() as reads:
            results = list(train_epoch(step_for(model, max_grad_norm=1.0), batches, accumulate=accumulate))
        assert (len(results), reads.count) == (-(-49 // accumulate), 0)

    @pytest.mark.parametrize("accumulate", [0, -1])
    def test_accumulate_below_one(self, accumulate):
        with pytest.raises(ValueError, match=f"accumulate must be at least 1, got {accumulate}"):
            next(train_epoch(step_for(mlp()), [classes()], accumulate=accumulate))

    def test_empty_loader(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            next(train_epoch(step_for(mlp()), []))

    @pytest.mark.parametrize(
        "batch",
        [
            torch.zeros(2, 5),
            (torch.zeros(2, 5), torch.zeros(2), torch.zeros(2)),
            PaddedSequence(torch.zeros(2, 5), torch.tensor([5, 5])),
        ],
    )
    def test_batch_that_is_no_pair(self, batch):
        with pytest.raises(
            TypeError, match=r"a batch must be a plain pair \(inputs, targets\), or a dict of these two, got"
        ):
            next(train_epoch(step_for(mlp()), [batch]))


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


class TestCallbacks:
    def test_hooks_are_called_after_each_update_and_epoch(self):
        recorder = Recorder()
        fit_for(mlp(), split(*classes(), 8), epochs=3, accumulate=3, callbacks=[recorder])
        assert [result.num_items for result in recorder.results] == [24, 6] * 3
        assert recorder.num_epochs == [1, 2, 3]

    def test_run_tells_where_it_is(self):
        seen = []

        class Watch(Callback):
            def on_step_end(self, run, result):
                seen.append((run.epoch, run.num_updates, run.epochs, len(run.history)))

        fit_for(mlp(), split(*classes(), 15), epochs=2, callbacks=[Watch()])
        assert seen == [(1, 1, 2, 0), (1, 2, 2, 0), (2, 3, 2, 1), (2, 4, 2, 1)]

    def test_should_stop_ends_the_run_after_the_epoch(self):
        class Stop(Callback):
            def on_step_end(self, run, result):
                run.should_stop = run.epoch == 2

        recorder = Recorder()
        history = fit_for(mlp(), split(*classes(), 8), epochs=9, callbacks=[Stop(), recorder])
        assert len(history) == 2
        assert recorder.num_epochs == [1, 2]
        assert len(recorder.results) == 8

    @pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end"])
    def test_an_exception_names_the_callback(self, hook):
        def fail(self, *arguments):
            raise RuntimeError("out of luck")

        broken = type("Broken", (Callback,), {hook: fail})()
        with pytest.raises(RuntimeError, match="out of luck") as caught:
            fit_for(mlp(), [classes()], callbacks=[Recorder(), broken])
        assert caught.value.__notes__ == [f"raised by the callback Broken.{hook}"]

    def test_an_interrupt_passes_through_after_the_finished_epochs(self):
        class Interrupt(Callback):
            def on_step_end(self, run, result):
                if run.epoch == 3:
                    raise KeyboardInterrupt

        recorder = Recorder()
        with pytest.raises(KeyboardInterrupt) as caught:
            fit_for(mlp(), [classes()], epochs=5, callbacks=[recorder, Interrupt()])
        assert recorder.num_epochs == [1, 2]
        assert not hasattr(caught.value, "__notes__")


class TestBadLoss:
    @pytest.mark.parametrize(
        ("bad_update", "message", "seen_by"),
        [
            (3, "between updates 1 and 50", 50),
            (60, "between updates 51 and 100", 100),
            (110, "updates 101 and 120", 120),
        ],
    )
    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    def test_the_message_says_where(self, bad_update, message, seen_by, value):
        inputs = torch.ones(120, 1)
        inputs[bad_update - 1] = value
        recorder, model = Recorder(), nn.Linear(1, 1)
        with pytest.raises(
            FloatingPointError,
            match=rf"the loss became (nan|inf) in epoch 1, .*{message}, at learning rate 0\.025: "
            "try a smaller learning rate or max_grad_norm",
        ):
            fit_for(
                model,
                split(inputs, torch.ones(120, 1), 1),
                lr=0.025,
                criterion=nn.MSELoss(),
                callbacks=[recorder],
            )
        assert len(recorder.results) == seen_by

    def test_finished_epochs_were_reported(self):
        recorder, model = Recorder(), nn.Linear(1, 1)
        with pytest.raises(
            FloatingPointError, match=r"the loss became \w+ in epoch [2-9], between updates 1 and 4"
        ):
            fit_for(
                model,
                split(torch.full((4, 1), 10.0), torch.zeros(4, 1), 1),
                lr=0.1,
                epochs=10,
                criterion=nn.MSELoss(),
                callbacks=[recorder],
            )
        assert recorder.num_epochs == list(range(1, len(recorder.num_epochs) + 1)) != []

    def test_ignored_targets_are_no_bad_loss(self):
        history = fit_for(
            mlp(),
            split(torch.randn(6, 5), torch.tensor([0, 1, -100, -100, 2, 2]), 2),
            criterion=nn.CrossEntropyLoss(ignore_index=-100),
        )
        assert history["train_loss"][0] > 0

    def test_host_reads_do_not_grow_with_the_updates(self):
        counts = []
        for num_updates in (10, 49, 149):
            with HostReads() as reads:
                fit_for(mlp().eval(), split(*classes(4 * num_updates), 4))
            counts.append(reads.count)
        assert counts[0] == counts[1] <= 2  # is the loss finite? what is its mean?
        assert counts[2] == counts[0] + 2  # a look after 50 and 100 updates


class TestProgress:
    def test_quiet_where_nobody_watches(self, capfd):
        fit_for(mlp(), [classes()], epochs=2, val_loader=[classes()])
        assert capfd.readouterr() == ("", "")

    def test_one_line_for_each_epoch_on_a_terminal(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        fit_for(
            mlp(), split(*classes(), 8), epochs=10, val_loader=[classes()], metrics={"accuracy": Accuracy()}
        )
        lines = capfd.readouterr().out.splitlines()
        number = r"-?\d\S*"
        assert len(lines) == 10
        for epoch, line in enumerate(lines, start=1):
            assert re.fullmatch(
                rf"epoch +{epoch}/10  train_loss {number}  learning_rate 0.1  val_loss {number}  "
                rf"val_accuracy {number}  {number} s",
                line,
            )

    def test_progress_can_be_switched_off(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        fit_for(mlp(), [classes()], progress=False)
        assert capfd.readouterr() == ("", "")

    def test_the_bar_shows_loss_and_rate(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        run = Run(mlp(), None, epochs=1, epoch=1, train_loader=range(2))
        with progress.EpochBar(run, show=True) as bar:
            bar._bar.mininterval = 0
            for _ in range(2):
                run.losses.add(torch.tensor(1.5), 4)
                bar.advance(4)
        assert re.search(r"epoch 1/1.*2/2.*loss 1\.5000, [\d,]+ items/s", capfd.readouterr().err)

    def test_interactive_is_a_terminal_or_a_notebook(self, monkeypatch):
        monkeypatch.delitem(progress.sys.modules, "ipykernel", raising=False)
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False)
        assert not progress.is_interactive()
        monkeypatch.setitem(progress.sys.modules, "ipykernel", progress)
        assert progress.is_interactive()
        monkeypatch.delitem(progress.sys.modules, "ipykernel")
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
        assert progress.is_interactive()


class TestErrors:
    @pytest.mark.parametrize("epochs", [0, -3])
    def test_epochs_below_one(self, epochs):
        with pytest.raises(ValueError, match=f"epochs must be at least 1, got {epochs}"):
            fit_for(mlp(), [classes()], epochs=epochs)

    @pytest.mark.parametrize(
        ("settings", "error", "message"),
        [
            (
                {"callbacks": EarlyStopping()},
                TypeError,
                "callbacks must be a list of callbacks, got EarlyStopping",
            ),
            ({"callbacks": "runs/x"}, TypeError, "callbacks must be a list of callbacks, got str"),
            ({"metrics": [Accuracy()]}, TypeError, "metrics must be a dict of metrics by name, got list"),
            (
                {"val_loader": classes()},
                TypeError,
                "val_loader must give batches, as a TensorLoader of them does",
            ),
            (
                {"callbacks": [EarlyStopping()]},
                ValueError,
                "EarlyStopping's monitor must be one of train_loss, learning_rate, seconds, got 'val_loss'; ",
            ),
            (
                {"callbacks": [EarlyStopping("train_loss_0")]},  # only metrics can have several values
                ValueError,
                "monitor must be one of train_loss, learning_rate, seconds, got 'train_loss_0'",
            ),
        ],
    )
    def test_what_would_fail_after_the_first_epoch_is_refused_before(self, settings, error, message):
        model = mlp()
        before = [parameter.clone() for parameter in model.parameters()]
        with pytest.raises(error, match=message):
            fit_for(model, [classes()], **settings)
        assert all(map(torch.equal, before, model.parameters()))

    @pytest.mark.parametrize("argument", ["epochs", "accumulate"])
    def test_a_fraction_for_a_count(self, argument):
        with pytest.raises(TypeError, match=f"{argument} must be an integer, got 2.5"):
            fit_for(mlp(), [classes()], **{argument: 2.5})

    def test_a_callbacks_class_for_an_instance(self):
        with pytest.raises(TypeError, match="callbacks must be an instance, got the class Recorder"):
            fit_for(mlp(), [classes()], callbacks=[Recorder])

    def test_accumulate_below_one(self):
        with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
            fit_for(mlp(), [classes()], accumulate=0)

    def test_metrics_without_val_loader(self):
        with pytest.raises(
            ValueError, match="metrics are measured on val_loader, which must be given for accuracy, f1"
        ):
            fit_for(mlp(), [classes()], metrics={"accuracy": Accuracy(), "f1": Accuracy()})

    @pytest.mark.parametrize(
        "loaders", [{"train_loader": []}, {"train_loader": [classes()], "val_loader": []}]
    )
    def test_empty_loader(self, loaders):
        model = mlp()
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            fit(
                model,
                **loaders,
                criterion=nn.CrossEntropyLoss(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=1,
            )

    def test_batch_that_is_no_pair(self):
        with pytest.raises(
            TypeError, match=r"a batch must be a plain pair \(inputs, targets\), or a dict .*, got Tensor"
        ):
            fit_for(mlp(), DataLoader(Rows()))

    def test_settings_are_checked_before_training(self):
        model = mlp()
        before = [parameter.clone() for parameter in model.parameters()]
        with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'tf32'"):
            fit_for(model, [classes()], precision="tf32")
        assert all(map(torch.equal, before, model.parameters()))


class Rows(torch.utils.data.Dataset):
    """A data set without targets."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Tensor:
        return torch.zeros(5)


def test_a_validation_loss_that_is_no_number_stops_the_run_before_callbacks():
    model = nn.Linear(1, 1)
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, run):
            seen.append(run.epoch)

    batches = [(torch.ones(2, 1), torch.ones(2, 1))]
    with pytest.raises(
        FloatingPointError, match=r"val_loss became (nan|inf) in epoch 1, after update 1, at learning"
    ):
        fit(
            model,
            batches,
            criterion=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=1e38),
            epochs=1,
            val_loader=[(torch.full((2, 1), 1e30), torch.ones(2, 1))],
            callbacks=[Watch()],
        )
    assert seen == []


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_default_device_of_the_users_own_is_left_alone(accumulate):
    model, batches = linear(), split(*classes(dtype=torch.float64), 8)
    with torch.device("meta"):
        history = fit_for(model, batches, val_loader=batches, accumulate=accumulate)
    assert all(torch.tensor(history["val_loss"], device="cpu").isfinite())
