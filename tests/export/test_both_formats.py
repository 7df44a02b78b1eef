"""Laws that an exported program and an ONNX file share."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import PaddedSequence, SequenceEncoder, TemporalConvNet, export_onnx, export_program
from support.exporting import RECURRENT, WITHOUT_ONNX, check_agrees, described, leaves, run_onnx
from support.slow import slow_unless

# torch's own, in its exporters
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def runners(model, path):
    program = export_program(model).module()
    yield lambda *inputs: leaves(program(*inputs))
    if not WITHOUT_ONNX:
        export_onnx(model, path)
        yield run_onnx(path)


@pytest.mark.parametrize("model", slow_unless((RECURRENT[7], RECURRENT[12]), RECURRENT[7:8]), ids=described)
def test_padding_and_batch_mates_never_matter(model, tmp_path):
    ids = torch.tensor([[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]])
    other = torch.tensor([[3, 4, 5, 19, -7], [9, 9, 9, 10**9, 7]])  # not even ids that there are
    for run in runners(model.eval(), tmp_path / "model.onnx"):
        (first,) = run(ids, torch.tensor([3, 5]))
        (second,) = run(other, torch.tensor([3, 3]))
        (alone,) = run(ids[:1, :3], torch.tensor([3]))
        assert_close(first[0], second[0], rtol=0, atol=1e-6)
        assert_close(first[:1, ..., : alone.shape[-1]], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "model", slow_unless((RECURRENT[7], *RECURRENT[12:14]), RECURRENT[12:13]), ids=described
)
def test_wrong_lengths_and_ids_are_errors_of_the_exported_graph(model, tmp_path):
    ids = torch.tensor([[1, 2, 3], [1, 2, 3]])
    messages = (r"lengths must lie between 1 and 3|Invalid value/s in sequence_lens", "range|bounds")
    for run in runners(model.eval(), tmp_path / "model.onnx"):
        for length in (0, -1, 4, 2**31):
            with pytest.raises(Exception, match=messages[0]):
                run(ids, torch.tensor([length, 3]))
        for wrong in (-1, 20):
            with pytest.raises(Exception, match=messages[1]):
                run(ids.masked_fill(ids == 2, wrong), torch.tensor([3, 3]))


TEMPORAL = [
    TemporalConvNet(3, 5, channels=(4, 4), causal=causal, pooling=pooling)
    for causal, pooling in ((False, "mean"), (True, "last"))
]


@pytest.mark.parametrize("model", TEMPORAL, ids=["centred", "causal"])
def test_padding_and_wrong_lengths_of_temporal_convolutions(model, tmp_path):
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(2, 5, 3, generator=generator)
    model(steps)  # norms see a batch
    other = torch.cat([steps[:, :3], torch.full((2, 6, 3), torch.nan)], dim=1)
    for run in runners(model.eval(), tmp_path / "model.onnx"):
        (first,) = run(steps, torch.tensor([3, 5]))
        (second,) = run(other, torch.tensor([3, 2]))
        assert_close(first[0], second[0], rtol=0, atol=1e-6)
        assert_close(first[:1], model(steps[:1, :3]), rtol=0, atol=1e-6)
        for length in (0, -1, 6, 2**31):
            with pytest.raises(Exception, match=r"range|bounds"):
                run(steps, torch.tensor([length, 3]))


class OfPadded(nn.Module):
    """A user's own network of a PaddedSequence."""

    def __init__(self):
        super().__init__()
        self.encoder = SequenceEncoder(3, 4, bidirectional=True)
        self.head = nn.Linear(8, 2)

    def forward(self, batch):
        return self.head(self.encoder(batch).final_state)


def test_a_network_that_takes_a_padded_sequence_is_exported_with_its_lengths(tmp_path):
    model = OfPadded().eval()
    example = PaddedSequence(torch.randn(2, 5, 3), torch.tensor([5, 2]))
    run = export_program(model, example=example).module()
    batches = [(PaddedSequence(torch.randn(n, t, 3), torch.full((n,), t)),) for n, t in [(1, 1), (4, 9)]]
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), batches)
    if not WITHOUT_ONNX:
        export_onnx(model, tmp_path / "own.onnx", example=example)
        check_agrees(model, run_onnx(tmp_path / "own.onnx"), batches)
