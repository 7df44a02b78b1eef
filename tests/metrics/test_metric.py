"""What can be measured: metrics, functions, vectors and dicts; all else is refused by name."""

import pytest
import torch
import torchmetrics
from torch import nn

from practicezoo import EarlyStopping, TensorLoader, evaluate, fit

X, Y = torch.randn(10, 3), torch.arange(10) % 3
BATCHES = [(X[:7], Y[:7]), (X[7:], Y[7:])]


def train(metrics, **settings):
    model = nn.Linear(3, 3)
    return fit(
        model,
        BATCHES,
        criterion=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        epochs=2,
        val_loader=BATCHES,
        metrics=metrics,
        **settings,
    )


def test_a_function_is_averaged_over_items():
    def mean_of_first(outputs, targets):
        return outputs[:, 0].mean()

    found = evaluate(nn.Identity(), BATCHES, metrics={"first": mean_of_first})["first"]
    assert found == pytest.approx(
        X[:, 0].mean().item(), abs=1e-6
    )  # a mean of random numbers may be close to 0


def test_a_vector_has_a_column_for_each_value():
    metric = torchmetrics.Accuracy(task="multiclass", num_classes=3, average=None)
    history = train({"recall": metric})
    assert {"val_recall_0", "val_recall_1", "val_recall_2"} <= set(history)


def test_a_collection_has_a_column_for_each_of_its_metrics():
    settings = {"task": "multiclass", "num_classes": 3}
    members = [torchmetrics.Accuracy(**settings), torchmetrics.F1Score(**settings)]
    history = train({"all": torchmetrics.MetricCollection(members)})
    assert {"val_all_MulticlassAccuracy", "val_all_MulticlassF1Score"} <= set(history)


def test_columns_of_a_vector_can_be_monitored():
    metric = torchmetrics.Accuracy(task="multiclass", num_classes=3, average=None)
    stopping = EarlyStopping("val_recall_1", patience=5)
    history = train({"recall": metric}, callbacks=[stopping])
    assert stopping.best_value == max(history["val_recall_1"])


@pytest.mark.parametrize("metric", ["accuracy", 3, nn.Linear(1, 1)])
def test_what_is_no_metric_is_refused_before_training(metric):
    rule = r"metrics\['m'\] must have update, compute and reset, or be a function of outputs and targets"
    with pytest.raises(TypeError, match=f"{rule}, got {type(metric).__name__}"):
        train({"m": metric})


def test_a_metric_without_a_name_is_refused():
    with pytest.raises(TypeError, match="metrics must be a dict of metrics by name, got MeanSquaredError"):
        train(torchmetrics.MeanSquaredError())


def test_a_value_that_is_no_number_names_the_metric():
    class Text:
        def update(self, outputs, targets): ...
        def compute(self):
            return torch.zeros(2, 2)

        def reset(self): ...

    with pytest.raises(TypeError, match=r"the metric 'text' must .* got Tensor of shape \(2, 2\)"):
        evaluate(nn.Identity(), BATCHES, metrics={"text": Text()})


def test_an_error_in_a_metric_names_it():
    def fails(outputs, targets):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no") as caught:
        evaluate(nn.Identity(), BATCHES, metrics={"f": fails})
    (note,) = caught.value.__notes__
    assert note == "raised by the metric 'f', which got outputs of type Tensor of shape (7, 3)"


def test_the_gradients_norm_is_in_the_history_where_it_is_measured():
    assert "grad_norm" not in train(None)
    norms = train(None, max_grad_norm=1e9)["grad_norm"]
    assert len(norms) == 2
    assert all(norm > 0 for norm in norms)
    loader = TensorLoader(X, Y, batch_size=10)
    model = nn.Linear(3, 3)
    nn.functional.cross_entropy(model(X), Y).backward()
    expected = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = fit(
        model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1, max_grad_norm=1e9
    )
    assert history["grad_norm"] == [pytest.approx(expected.item(), rel=1e-6)]
