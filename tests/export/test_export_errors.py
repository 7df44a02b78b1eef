"""What cannot be exported is refused with the reason."""

from functools import partial

import pytest
import torch
from torch import nn

from practicezoo import CNN, CharGRUClassifier, CharTagger, TemporalConvNet, export_program
from support.exporting import spread

# torch's own, in its exporters
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Branching(nn.Module):
    def forward(self, inputs):
        return inputs if inputs.sum() > 0 else -inputs


class OneBatchSize(nn.Module):
    def forward(self, inputs):
        return inputs.reshape(3, -1)


def test_a_model_whose_code_cannot_be_traced_is_named_with_its_module(capfd):
    model = nn.Sequential(nn.Linear(2, 2), Branching())
    with pytest.raises(
        ValueError, match=r"but Sequential is not, in its module '1': Guard.*data-dep"
    ) as caught:
        export_program(model, example=torch.ones(3, 2))
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__  # no page of traceback
    with pytest.raises(
        ValueError, match=r"but OneBatchSize is not, in its code: .*Constraints violated \(N\)"
    ):
        export_program(OneBatchSize(), example=torch.ones(3, 2))
    assert capfd.readouterr() == ("", "")


def test_dropout_of_a_layer_is_not_left_out_in_silence():
    model = CharGRUClassifier(20, 6, dropout=0.5)
    with pytest.raises(ValueError, match=r"dropout must be 0 to export in training mode, got 0.5: call eval"):
        torch.export.export(model, tuple(spread((model.example_inputs(),))), strict=False)


@pytest.mark.parametrize("batches_only", [False, True])
def test_a_norm_that_would_count_padding_is_refused(batches_only):
    norm = partial(nn.BatchNorm1d, track_running_stats=not batches_only)
    model = TemporalConvNet(3, channels=(4,), norm=norm).train(not batches_only)
    with pytest.raises(
        ValueError,
        match=r"norm must have running statistics and be in evaluation mode to export with lengths",
    ):
        torch.export.export(model, tuple(spread((model.example_inputs(),))), strict=False)


def test_a_norm_in_a_head_that_would_count_padding_is_refused():
    def head(num_in, num_out, **_settings):
        return nn.Sequential(nn.Linear(num_in, num_out), nn.BatchNorm1d(num_out))

    model = CharTagger(20, 6, head=head)
    with pytest.raises(ValueError, match=r"norm must have running statistics .* got BatchNorm1d"):
        torch.export.export(model, tuple(spread((model.example_inputs(),))), strict=False)


@pytest.mark.parametrize(
    ("model", "example", "error", "match"),
    [
        ("cnn", None, TypeError, r"model must be a torch.nn.Module, got str"),
        (nn.Linear(2, 2), None, ValueError, "example must be given for Linear, which has no example_inputs"),
        (CNN(), "x", TypeError, "example must be a tensor, a PaddedSequence or a tuple of tensors, got 'x'"),
        (CNN(), (), TypeError, r"example must be a tensor, .*, got \(\)"),
        (
            CNN(),
            torch.ones(3, 2),
            ValueError,
            r"example must fit CNN: CNN expects images of shape .*\(3, 2\)",
        ),
        (
            CNN(),
            torch.ones(0, 1, 28, 28),
            ValueError,
            "example must hold samples, .*, got \\(0, 1, 28, 28\\)",
        ),
        (
            nn.Bilinear(2, 2, 1),
            (torch.ones(3, 2), torch.ones(2, 2)),
            ValueError,
            r"each argument, got \(3, 2\), \(2, 2\)",
        ),
        (CharTagger(), torch.ones(3), ValueError, "example must fit CharTagger: .*shape"),
        (
            CharTagger(),
            torch.tensor([[9]]),
            ValueError,
            r"example must fit CharTagger: ids must lie in \[0, 4\)",
        ),
        (
            CharTagger(),
            (torch.ones(1, 3).long(), torch.tensor([4])),
            ValueError,
            "example must fit CharTagger: lengths must lie between 1 and 3, got 4",
        ),
    ],
)
def test_a_wrong_model_or_example_is_refused(model, example, error, match):
    with pytest.raises(error, match=match):
        export_program(model, example=example)
