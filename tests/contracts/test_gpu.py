"""Every block and model on a GPU."""

import copy

import pytest
import torch
from torch.testing import assert_close

from support.catalog import ENTRIES
from support.contracts import RECURRENT, differentiate, last, move, over, pad, ready, results, without_dropout


@pytest.mark.gpu
@over(ENTRIES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_gpu_computes_what_the_cpu_computes(entry, training, cuda):
    on_cpu = without_dropout(ready(entry)).train(training)
    on_gpu = copy.deepcopy(on_cpu).to(cuda)
    inputs = entry.example(4, torch.float32)
    outputs = results(on_gpu(*move(inputs, cuda)))
    assert {output.device.type for output in outputs} == {cuda.type}
    assert_close([output.cpu() for output in outputs], results(on_cpu(*inputs)), rtol=1e-4, atol=1e-4)
    state = {name: value.cpu() for name, value in on_gpu.state_dict().items()}
    assert_close(state, dict(on_cpu.state_dict()), rtol=1e-4, atol=1e-4)  # what norms have learnt


@pytest.mark.gpu
@over(ENTRIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 0.01)])
def test_gpu_gradients_are_the_cpus(entry, dtype, tolerance, cuda):
    # in training mode: cuDNN differentiates recurrent layers in no other
    on_cpu = without_dropout(entry.build(dtype=dtype))
    on_gpu = copy.deepcopy(on_cpu).to(cuda)
    inputs = entry.example(4, dtype)
    expected = differentiate(on_cpu, inputs)
    for name, gradient in differentiate(on_gpu, move(inputs, cuda)).items():
        # as a whole: in float32 a value next to zero may fall on the other side of a ReLU
        error = torch.linalg.vector_norm(gradient.cpu() - expected[name])
        assert error <= tolerance * torch.linalg.vector_norm(expected[name]), name


@pytest.mark.gpu
@over(RECURRENT)
def test_gpu_takes_padded_and_packed_sequences(entry, cuda):
    module = ready(entry)
    padded = pad(entry.example(4, torch.float32))
    expected = last(module(padded))
    module.to(cuda)
    moved = padded.to(cuda)
    assert moved.lengths.device.type == "cpu"
    assert_close(last(module(moved)).cpu(), expected, rtol=1e-4, atol=1e-4)
    packed = last(module(padded.pack().to(cuda))).cpu()  # of taggers, without the steps that are all padding
    assert_close(packed, expected[..., : packed.shape[-1]], rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@over(RECURRENT)
def test_gpu_trains_on_padded_and_packed_sequences_alike(entry, cuda):
    module = without_dropout(entry.build(device=cuda))
    padded = pad(entry.example(4, torch.float32))
    gradients = []
    for batch in (padded.to(cuda), padded.pack().to(cuda)):
        module.zero_grad()
        last(module(batch)).square().sum().backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in module.named_parameters()})
    assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@over([entry for entry in ENTRIES if entry.makes_parameters])
def test_gpu_trains_a_step_in_bfloat16(entry, cuda):
    module = ready(entry, device=cuda).train(entry.recurrent)  # cuDNN differentiates these in no other mode
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    with torch.autocast("cuda", dtype=torch.bfloat16):
        differentiate(module, move(entry.example(4, torch.float32), cuda))
    optimizer.step()
    for old, new in zip(before, module.parameters(), strict=True):
        assert new.isfinite().all()
        assert not torch.equal(old, new)
