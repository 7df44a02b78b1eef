"""Criteria of every kind, each with targets and a model that fit it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASS_WEIGHTS = torch.tensor([0.1, 2.0, 0.7, 1.3], dtype=torch.float64)


@dataclass(frozen=True)
class Loss:
    """A criterion, and what its targets and its model's outputs look like."""

    criterion: Callable[[Tensor, Tensor], Tensor]
    targets: str = "indices"
    head: type[nn.Module] = nn.Identity

    def make_inputs(self, num_items: int) -> Tensor:
        return torch.linspace(-2, 2, num_items * 5, dtype=torch.float64).view(num_items, 5).sin()

    def make_targets(self, num_items: int) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        indices = torch.randint(4, (num_items,), generator=generator)
        values = torch.randn(num_items, 4, generator=generator, dtype=torch.float64)
        return {
            "indices": indices,
            "values": values,
            "probabilities": values.softmax(dim=1),
            "zeros and ones": (values > 0).double(),
        }[self.targets]

    def make_model(self) -> nn.Module:
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), self.head()).double()


class LogSoftmax(nn.Module):
    """Log probabilities over dimension 1."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits.log_softmax(dim=1)


LOSSES = {
    "cross entropy": Loss(nn.CrossEntropyLoss()),
    "cross entropy, sum": Loss(nn.CrossEntropyLoss(reduction="sum")),
    "class weights": Loss(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS)),
    "class weights, sum": Loss(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS, reduction="sum")),
    "a class without weight": Loss(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS * torch.tensor([1, 0, 1, 1]))),
    "ignore_index": Loss(nn.CrossEntropyLoss(ignore_index=1)),
    "ignore_index, sum": Loss(nn.CrossEntropyLoss(ignore_index=1, reduction="sum")),
    "class weights and ignore_index": Loss(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS, ignore_index=1)),
    "label smoothing": Loss(
        nn.CrossEntropyLoss(weight=CLASS_WEIGHTS, ignore_index=1, label_smoothing=0.1),
    ),
    "class probabilities": Loss(nn.CrossEntropyLoss(), "probabilities"),
    "class probabilities and weights": Loss(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS), "probabilities"),
    "NLL": Loss(nn.NLLLoss(weight=CLASS_WEIGHTS, ignore_index=1), head=LogSoftmax),
    "BCE with logits": Loss(nn.BCEWithLogitsLoss(pos_weight=CLASS_WEIGHTS), "zeros and ones"),
    "BCE with logits, weights": Loss(nn.BCEWithLogitsLoss(weight=CLASS_WEIGHTS), "zeros and ones"),
    "BCE": Loss(nn.BCELoss(weight=CLASS_WEIGHTS), "zeros and ones", nn.Sigmoid),
    "MSE": Loss(nn.MSELoss(), "values"),
    "MSE, sum": Loss(nn.MSELoss(reduction="sum"), "values"),
    "KL divergence, batchmean": Loss(nn.KLDivLoss(reduction="batchmean"), "probabilities", LogSoftmax),
    "KL divergence, sum": Loss(nn.KLDivLoss(reduction="sum"), "probabilities", LogSoftmax),
    "a function": Loss(F.mse_loss, "values"),
}
