"""What every block and model promises as a module: copies, precisions, devices, batches, gradients."""

import copy
import io
import pickle

import pytest
import torch
from torch.testing import assert_close

from support.catalog import BLOCKS, ENTRIES
from support.contracts import (
    FORMS,
    RECURRENT,
    VISION_BLOCKS,
    differentiate,
    in_form,
    last,
    move,
    over,
    pad,
    ready,
    results,
    without_dropout,
)


def repickle(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what this test pickled itself


@over(ENTRIES)
def test_state_dict_round_trip(entry):
    source, target = ready(entry), ready(entry)
    inputs = entry.example(3, torch.float32)
    if any(True for _ in source.parameters()):
        with pytest.raises(AssertionError):
            assert_close(results(target(*inputs)), results(source(*inputs)))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True))
    assert_close(results(target(*inputs)), results(source(*inputs)), rtol=0, atol=0)


@over(ENTRIES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, repickle])
def test_a_copy_computes_the_same_and_shares_nothing(entry, duplicate):
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    before = results(module(*inputs))
    duplicated = duplicate(module)
    assert_close(results(duplicated(*inputs)), before, rtol=0, atol=0)
    with torch.no_grad():
        for tensor in (*duplicated.parameters(), *duplicated.buffers()):
            tensor.zero_()
    assert_close(results(module(*inputs)), before, rtol=0, atol=0)


@over(ENTRIES)
def test_float64(entry):
    module = ready(entry, dtype=torch.float64)
    assert all(parameter.dtype == torch.float64 for parameter in module.parameters())
    inputs = entry.example(3, torch.float64)
    outputs = results(module(*inputs))
    assert {output.dtype for output in outputs} == {torch.float64}
    single = entry.build().eval()
    single.load_state_dict(module.state_dict())
    in_float32 = results(single(*(each.float() if each.is_floating_point() else each for each in inputs)))
    assert_close(in_float32, [output.float() for output in outputs], rtol=1e-5, atol=1e-5)


@over(ENTRIES)
def test_bfloat16_autocast_is_near_float32_and_trains(entry):
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    exact = results(module(*inputs))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = results(module(*inputs))
        gradients = differentiate(module, inputs)
    assert_close([output.float() for output in outputs], exact, rtol=0.05, atol=0.02)
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients.values())


@over(ENTRIES)
def test_meta_device_gives_shapes_without_memory(entry):
    module = entry.build(device="meta", dtype=torch.float64)
    assert all(parameter.device.type == "meta" for parameter in module.parameters())
    assert all(parameter.dtype == torch.float64 for parameter in module.parameters())
    inputs = entry.example(3, torch.float64)
    shapes = [output.shape for output in results(module(*move(inputs, "meta")))]
    assert shapes == [output.shape for output in results(entry.build(dtype=torch.float64)(*inputs))]


@over(ENTRIES)
def test_a_default_dtype_is_followed(entry):
    torch.set_default_dtype(torch.float64)
    try:
        module = entry.build()
        forms = [entry.example(3, torch.float64)]
        forms += [in_form(form, entry, torch.float64) for form in FORMS if entry.recurrent]
        outputs = [output for inputs in forms for output in results(module(*inputs))]
    finally:
        torch.set_default_dtype(torch.float32)
    tensors = [*module.parameters(), *results(module.state_dict()), *outputs]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}


@over(ENTRIES)
def test_a_default_device_is_followed_and_a_given_one_wins(entry):
    forms = [entry.example(3, torch.float32)]
    forms += [in_form(form, entry) for form in FORMS if entry.recurrent]
    with torch.device("meta"):
        followed = entry.build()
        given = entry.build(device="cpu") if entry.makes_parameters else copy.deepcopy(followed)
        outputs = [output for inputs in forms for output in results(given(*inputs))]
    assert {tensor.device.type for tensor in followed.state_dict().values()} <= {"meta"}
    if entry.makes_parameters:
        assert {tensor.device.type for tensor in [*given.state_dict().values(), *outputs]} == {"cpu"}


@over(ENTRIES)
def test_a_meta_module_takes_over_loaded_weights(entry):
    source, target = ready(entry), entry.build(device="meta").eval()
    target.load_state_dict(source.state_dict(), assign=True)
    inputs = entry.example(3, torch.float32)
    assert_close(results(target(*inputs)), results(source(*inputs)), rtol=0, atol=0)


@over(ENTRIES)
def test_batch_sizes_zero_and_one(entry):
    module = ready(entry)
    none, one, two = (results(module(*entry.example(size, torch.float32))) for size in (0, 1, 2))
    assert [output.shape for output in none] == [(0, *output.shape[1:]) for output in two]
    assert [output.shape for output in one] == [(1, *output.shape[1:]) for output in two]


@over(ENTRIES)
def test_an_empty_batch_has_zero_gradients(entry):
    gradients = differentiate(ready(entry), entry.example(0, torch.float32))
    assert not any(gradient.any() for gradient in gradients.values())


@over(ENTRIES)
def test_an_empty_training_batch_teaches_nothing(entry):
    module = ready(entry).train()
    before = copy.deepcopy(results(module.state_dict()))
    module(*entry.example(0, torch.float32))
    assert_close(results(module.state_dict()), before, rtol=0, atol=0)


@over(RECURRENT)
def test_batch_sizes_zero_and_one_padded(entry):
    module = ready(entry)
    none, one, two = (last(module(pad(entry.example(size, torch.float32)))) for size in (0, 1, 2))
    assert none.shape == (0, *two.shape[1:])
    assert one.shape == (1, *two.shape[1:])


@over(ENTRIES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_every_parameter_and_input_gets_a_gradient(entry, training):
    gradients = differentiate(ready(entry).train(training), entry.example(4, torch.float32))
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.any()] == []


@over(ENTRIES)
def test_a_sample_does_not_depend_on_its_batch(entry):
    module = ready(entry, dtype=torch.float64)
    inputs = entry.example(4, torch.float64)
    batch = results(module(*inputs))
    samples = zip(*(each.split(1) for each in inputs), strict=True)
    alone = [results(module(*sample)) for sample in samples]
    joined = [torch.cat(parts) for parts in zip(*alone, strict=True)]
    assert_close(batch, joined, rtol=0, atol=1e-10)


@over(ENTRIES)
def test_inputs_and_parameters_stay_as_they_are(entry):
    module = ready(entry)
    inputs = entry.example(2, torch.float32)
    before = copy.deepcopy((inputs, dict(module.state_dict())))
    module(*inputs)
    assert_close((inputs, dict(module.state_dict())), before, rtol=0, atol=0)


@over(BLOCKS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_gradients_equal_finite_differences(entry, training):
    module = without_dropout(ready(entry, dtype=torch.float64)).train(training)
    inputs = tuple(each.requires_grad_() for each in entry.example(2, torch.float64))
    names = [name for name, _ in module.named_parameters()]

    def run(*values):
        parameters = dict(zip(names, values[len(inputs) :], strict=True))
        return last(torch.func.functional_call(module, parameters, values[: len(inputs)]))

    assert torch.autograd.gradcheck(run, (*inputs, *module.parameters()), fast_mode=True)


@over(VISION_BLOCKS)
def test_channels_last_gives_the_same(entry):
    module = ready(entry, dtype=torch.float64)
    inputs = entry.example(2, torch.float64)
    expected = module(*inputs)
    assert_close(module(*(each.to(memory_format=torch.channels_last) for each in inputs)), expected)
