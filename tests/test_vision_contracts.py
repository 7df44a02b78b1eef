"""What every vision block and model promises, over the catalog."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vision_catalog import BLOCKS, MODELS, VISION, Entry

by_name = {"ids": lambda entry: entry.name}
every_entry = pytest.mark.parametrize("entry", VISION, **by_name)


def _ready(entry: Entry, **settings) -> nn.Module:
    """The entry's module in evaluation mode, after one training pass so that norms have seen data."""
    torch.manual_seed(0)
    module = entry.make(**settings)
    module(entry.make_input(4, settings.get("dtype") or torch.float32))
    return module.eval()


@every_entry
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_batches_of_any_size_pass_forward_and_backward(entry: Entry, batch: int):
    module = _ready(entry)
    output = module(entry.make_input(batch, torch.float32))
    assert output.shape[0] == batch
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@every_entry
def test_a_result_does_not_depend_on_the_batch(entry: Entry):
    module = _ready(entry, dtype=torch.float64)
    inputs = entry.make_input(3, torch.float64)
    assert_close(module(inputs)[1:2], module(inputs[1:2]))


@every_entry
def test_every_parameter_gets_a_gradient(entry: Entry):
    torch.manual_seed(0)
    module = entry.make()
    output = module(entry.make_input(4, torch.float32))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.any(), name


@every_entry
def test_state_dict_copies_and_pickles_keep_the_result(entry: Entry):
    module = _ready(entry)
    inputs = entry.make_input(2, torch.float32)
    expected = module(inputs)
    torch.manual_seed(1)
    other = entry.make().eval()
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (other, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):  # noqa: S301
        assert torch.equal(twin(inputs), expected)


@every_entry
def test_device_and_dtype_reach_every_parameter(entry: Entry):
    module = entry.make(device="meta", dtype=torch.float64)
    assert {parameter.device.type for parameter in module.parameters()} == {"meta"}
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float64}
    inputs = entry.make_input(2, torch.float64)
    output = module(inputs.to("meta"))
    assert output.shape == _ready(entry, dtype=torch.float64)(inputs).shape


@every_entry
def test_works_under_bfloat16_autocast(entry: Entry):
    module = _ready(entry)
    inputs = entry.make_input(2, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = module(inputs)
    assert_close(output.float(), module(inputs), rtol=0.1, atol=0.1)


@every_entry
def test_inputs_and_parameters_stay_as_they_are(entry: Entry):
    module = _ready(entry)
    inputs = entry.make_input(2, torch.float32)
    before = inputs.clone(), copy.deepcopy(module.state_dict())
    module(inputs)
    assert torch.equal(inputs, before[0])
    assert_close(dict(module.state_dict()), dict(before[1]), rtol=0, atol=0)


@every_entry
def test_exports_with_a_dynamic_batch(entry: Entry):
    module = _ready(entry)
    example = (entry.make_input(2, torch.float32),)
    exported = torch.export.export(module, example, dynamic_shapes=({0: torch.export.Dim("batch")},))
    for batch in (1, 5):
        inputs = entry.make_input(batch, torch.float32)
        assert_close(exported.module()(inputs), module(inputs))


@pytest.mark.parametrize("entry", BLOCKS, **by_name)
def test_gradients_equal_finite_differences(entry: Entry):
    module = _ready(entry, dtype=torch.float64)
    inputs = entry.make_input(2, torch.float64).requires_grad_()
    names, parameters = zip(*module.named_parameters(), strict=True)

    def run(inputs, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (inputs,))

    assert torch.autograd.gradcheck(run, (inputs, *parameters), fast_mode=True)


@pytest.mark.parametrize("entry", BLOCKS, **by_name)
def test_channels_last_gives_the_same(entry: Entry):
    module = _ready(entry, dtype=torch.float64)
    inputs = entry.make_input(2, torch.float64)
    expected = module(inputs)
    assert_close(module(inputs.to(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("entry", BLOCKS, **by_name)
def test_out_channels_is_readable(entry: Entry):
    block = entry.make()
    assert block(entry.make_input(2, torch.float32)).shape[1] == block.out_channels


@pytest.mark.parametrize("entry", BLOCKS, **by_name)
@pytest.mark.parametrize("shape", [(2, 9, 6, 6), (4, 6, 6), (2, 4, 6, 6, 1)])
def test_a_block_names_itself_and_the_wrong_shape(entry: Entry, shape: tuple[int, ...]):
    block = entry.make()
    message = (
        rf"{type(block).__name__} expects an input of shape \(N, 4, H, W\), got \({shape[0]}, {shape[1]}"
    )
    with pytest.raises(ValueError, match=message):
        block(torch.zeros(shape))


@pytest.mark.parametrize("entry", MODELS, **by_name)
def test_reset_head_keeps_the_features(entry: Entry):
    model = _ready(entry, dtype=torch.float64)
    inputs = entry.make_input(2, torch.float64)
    features = model.forward_features(inputs)
    model.reset_head(47)
    assert torch.equal(model.forward_features(inputs), features)
    assert model(inputs).shape == (2, 47)
    assert model.num_classes == 47
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        model.reset_head(0)


@pytest.mark.parametrize("entry", MODELS, **by_name)
def test_a_model_names_itself_and_wrong_inputs(entry: Entry):
    model = entry.make()
    name = type(model).__name__
    inputs = entry.make_input(2, torch.float32)
    with pytest.raises(
        TypeError, match=rf"{name} expects floating-point \w+, got torch.uint8: scale them first"
    ):
        model(inputs.to(torch.uint8))
    with pytest.raises(TypeError, match=rf"{name} expects a tensor.*, got list"):
        model(list(inputs))
    with pytest.raises(ValueError, match=rf"{name} expects .*, got .*\(2, 5\)"):
        model(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=rf"{name} expects .*, got .*\(5,\)"):
        model(torch.zeros(5))


@pytest.mark.slow
@every_entry
def test_compiles(entry: Entry):
    module = _ready(entry)
    inputs = entry.make_input(2, torch.float32)
    torch.compiler.reset()
    assert_close(torch.compile(module, fullgraph=True)(inputs), module(inputs))
