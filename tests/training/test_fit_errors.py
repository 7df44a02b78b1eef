"""What ``fit`` refuses before it trains."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader

from practicezoo.training import Accuracy, EarlyStopping, fit
from support.fitting import fit_for
from support.toys import Recorder, classes, mlp


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

    def test_what_torch_says_of_the_first_batch_comes_with_advice(self):
        inputs, targets = classes()
        with pytest.raises(RuntimeError) as raised:
            fit_for(mlp(), [(inputs, targets.unsqueeze(1))])
        assert any("practicezoo.check(" in note for note in raised.value.__notes__)
        with pytest.raises(RuntimeError) as raised:
            fit_for(mlp(), [(inputs, targets), (inputs[:, :1], targets)])
        assert not hasattr(raised.value, "__notes__")

    def test_accumulate_below_one(self):
        with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
            fit_for(mlp(), [classes()], accumulate=0)

    def test_metrics_without_val_loader(self):
        with pytest.raises(
            ValueError, match="val_loader must be given to measure 'accuracy', 'f1' on, got none"
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
