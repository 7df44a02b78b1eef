"""What every block and model promises, over each entry of the catalog."""

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

import practicezoo.blocks
import practicezoo.models
from catalog import ENTRIES
from practicezoo import PaddedSequence

RECURRENT = [entry for entry in ENTRIES if entry.recurrent]

# torch's own: its export of a recurrent layer assigns the layer's flat list of weights
ignore_flat_weights = pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights:UserWarning")
# torch's own: its tracer looks at .grad of every tensor it meets
ignore_grad_access = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")


def over(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def repickle(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what this test pickled itself


def exported_modules():
    homes = (practicezoo.blocks, practicezoo.models)
    exported = (getattr(home, name) for home in homes for name in home.__all__)
    return {value for value in exported if isinstance(value, type) and issubclass(value, nn.Module)}


def results(outputs):
    """The floating tensors of an output, whatever its form."""
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def last(outputs):
    """The one tensor that a loss is computed from: the logits, or the final state of an encoder."""
    return results(outputs)[-1]


def differentiate(module, inputs):
    """The gradients of an uneven weighting of the result, by parameter name."""
    output = last(module(inputs)).float()
    output.mul(
        torch.arange(1.0, output.numel() + 1, device=output.device).view_as(output).sin()
    ).sum().backward()
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def pad(inputs, *, extra=2):
    """A dense batch as a padded one: lengths 1, 2, 3, ... and some more padding behind."""
    num_sequences, num_steps = inputs.shape[:2]
    lengths = torch.arange(num_sequences).remainder(num_steps) + 1
    padding = inputs.new_zeros(num_sequences, extra, *inputs.shape[2:])
    return PaddedSequence(torch.cat([inputs, padding], dim=1), lengths)


def test_every_exported_module_has_an_entry():
    assert {entry.module for entry in ENTRIES} == exported_modules()


def test_entries_have_distinct_names():
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)


@over(ENTRIES)
def test_state_dict_round_trip(entry):
    source, target = entry.build().eval(), entry.build().eval()
    inputs = entry.example(3, torch.float32)
    with pytest.raises(AssertionError):
        assert_close(target(inputs), source(inputs))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True))
    assert_close(results(target(inputs)), results(source(inputs)), rtol=0, atol=0)


@over(ENTRIES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, repickle])
def test_a_copy_computes_the_same_and_shares_nothing(entry, duplicate):
    module = entry.build().eval()
    inputs = entry.example(3, torch.float32)
    before = results(module(inputs))
    duplicated = duplicate(module)
    assert_close(results(duplicated(inputs)), before, rtol=0, atol=0)
    with torch.no_grad():
        for parameter in duplicated.parameters():
            parameter.zero_()
    assert_close(results(module(inputs)), before, rtol=0, atol=0)


@over(ENTRIES)
def test_float64(entry):
    module = entry.build(dtype=torch.float64).eval()
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float64}
    outputs = results(module(entry.example(3, torch.float64)))
    assert {output.dtype for output in outputs} == {torch.float64}
    single = entry.build().eval()
    single.load_state_dict(module.state_dict())
    inputs = entry.example(3, torch.float64)
    in_float32 = results(single(inputs.float() if inputs.is_floating_point() else inputs))
    assert_close(in_float32, [output.float() for output in outputs])


@over(ENTRIES)
def test_bfloat16_autocast_is_near_float32_and_trains(entry):
    module = entry.build().eval()
    inputs = entry.example(3, torch.float32)
    exact = results(module(inputs))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = results(module(inputs))
        gradients = differentiate(module, inputs)
    assert_close([output.float() for output in outputs], exact, rtol=0.05, atol=0.02)
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients.values())


@over(ENTRIES)
def test_meta_device_gives_shapes_without_memory(entry):
    module = entry.build(device="meta")
    assert {parameter.device.type for parameter in module.parameters()} == {"meta"}
    inputs = entry.example(3, torch.float32)
    shapes = [output.shape for output in results(module(inputs.to("meta")))]
    assert shapes == [output.shape for output in results(entry.build()(inputs))]


@over(ENTRIES)
def test_a_meta_module_takes_over_loaded_weights(entry):
    source, target = entry.build().eval(), entry.build(device="meta").eval()
    target.load_state_dict(source.state_dict(), assign=True)
    inputs = entry.example(3, torch.float32)
    assert_close(results(target(inputs)), results(source(inputs)), rtol=0, atol=0)


@over(ENTRIES)
def test_batch_sizes_zero_and_one(entry):
    module = entry.build().eval()
    none, one, two = (results(module(entry.example(size, torch.float32))) for size in (0, 1, 2))
    assert [output.shape for output in none] == [(0, *output.shape[1:]) for output in two]
    assert [output.shape for output in one] == [(1, *output.shape[1:]) for output in two]


@over(ENTRIES)
def test_an_empty_batch_has_zero_gradients(entry):
    gradients = differentiate(entry.build(), entry.example(0, torch.float32))
    assert not any(gradient.any() for gradient in gradients.values())


@over(RECURRENT)
def test_batch_sizes_zero_and_one_padded(entry):
    module = entry.build().eval()
    none, one, two = (last(module(pad(entry.example(size, torch.float32)))) for size in (0, 1, 2))
    assert none.shape == (0, *two.shape[1:])
    assert one.shape == (1, *two.shape[1:])


@over(ENTRIES)
def test_every_parameter_gets_a_gradient(entry):
    gradients = differentiate(entry.build(), entry.example(4, torch.float32))
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.any()] == []


@over(ENTRIES)
def test_a_sample_does_not_depend_on_its_batch(entry):
    module = entry.build(dtype=torch.float64).eval()
    inputs = entry.example(4, torch.float64)
    batch = results(module(inputs))
    alone = [results(module(sample)) for sample in inputs.split(1)]
    joined = [torch.cat(parts) for parts in zip(*alone, strict=True)]
    assert_close(batch, joined, rtol=0, atol=1e-10)


@over(ENTRIES)
@ignore_grad_access
def test_compile(entry):
    torch.compiler.reset()
    module = entry.build().eval()
    compiled = torch.compile(module, backend="eager")
    inputs = entry.example(3, torch.float32)
    assert_close(results(compiled(inputs)), results(module(inputs)))


@pytest.mark.slow
@over(ENTRIES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@ignore_grad_access
def test_compile_with_the_default_backend_trains(entry):
    torch.compiler.reset()
    module = entry.build().eval()
    inputs = entry.example(3, torch.float32)
    gradients = {name: gradient.clone() for name, gradient in differentiate(module, inputs).items()}
    module.zero_grad()
    assert_close(
        differentiate(torch.compile(module), inputs), {f"_orig_mod.{n}": g for n, g in gradients.items()}
    )


@over(ENTRIES)
@ignore_flat_weights
def test_export(entry):
    module = entry.build().eval()
    program = torch.export.export(module, (entry.example(3, torch.float32),))
    inputs = entry.example(3, torch.float32).flip(0)
    assert_close(results(program.module()(inputs)), results(module(inputs)))


@pytest.mark.slow
@over(ENTRIES)
@ignore_flat_weights
def test_export_with_any_batch_size(entry):
    module = entry.build().eval()
    any_batch_size = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(module, (entry.example(3, torch.float32),), dynamic_shapes=any_batch_size)
    for batch_size in (1, 2, 7):
        inputs = entry.example(batch_size, torch.float32)
        assert_close(results(program.module()(inputs)), results(module(inputs)))


@over([entry for entry in ENTRIES if entry.module.__name__ in practicezoo.blocks.__all__])
def test_a_block_tells_its_output_size(entry):
    block = entry.build()
    output = last(block(entry.example(2, torch.float32)))
    size = block.out_channels if hasattr(block, "out_channels") else block.out_features
    assert output.shape[1] == size


@over(ENTRIES)
def test_an_argument_is_readable_under_its_own_name(entry):
    """On the module itself, or on the part of it that the argument went to."""
    module = entry.build()
    for name, value in entry.arguments.items():
        found = [getattr(part, name) for part in module.modules() if hasattr(part, name)]
        assert value in [item for item in found if not isinstance(item, nn.Module)], name


@over(ENTRIES)
def test_repr_shows_the_module(entry):
    assert repr(entry.build()).startswith(f"{entry.module.__name__}(")


@pytest.mark.parametrize("module", sorted(exported_modules(), key=lambda module: module.__name__))
def test_signature(module):
    parameters = inspect.signature(module).parameters
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    assert kinds["device"] == kinds["dtype"] == inspect.Parameter.KEYWORD_ONLY
    assert sum(kind == inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds.values()) <= 2
    assert inspect.Parameter.VAR_KEYWORD not in kinds.values()


@pytest.mark.gpu
@over(ENTRIES)
def test_gpu_computes_what_the_cpu_computes(entry, cuda):
    on_cpu = entry.build().eval()
    on_gpu = copy.deepcopy(on_cpu).to(cuda)
    inputs = entry.example(4, torch.float32)
    outputs = results(on_gpu(inputs.to(cuda)))
    assert {output.device.type for output in outputs} == {"cuda"}
    assert_close([output.cpu() for output in outputs], results(on_cpu(inputs)), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@over([entry for entry in ENTRIES if not entry.arguments.get("dropout")])
def test_gpu_gradients_are_the_cpus(entry, cuda):
    on_cpu = entry.build()  # in training mode: cuDNN differentiates recurrent layers in no other
    on_gpu = copy.deepcopy(on_cpu).to(cuda)
    inputs = entry.example(4, torch.float32)
    gradients = {name: gradient.cpu() for name, gradient in differentiate(on_gpu, inputs.to(cuda)).items()}
    assert_close(gradients, differentiate(on_cpu, inputs), rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@over(RECURRENT)
def test_gpu_takes_padded_and_packed_sequences(entry, cuda):
    module = entry.build().eval()
    padded = pad(entry.example(4, torch.float32))
    expected = last(module(padded))
    module.to(cuda)
    moved = padded.to(cuda)
    assert moved.lengths.device.type == "cpu"
    assert_close(last(module(moved)).cpu(), expected, rtol=1e-4, atol=1e-5)
    assert_close(last(module(padded.pack().to(cuda))).cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@over(ENTRIES)
def test_gpu_trains_a_step_in_bfloat16(entry, cuda):
    module = entry.build(device=cuda)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    with torch.autocast("cuda", dtype=torch.bfloat16):
        differentiate(module, entry.example(4, torch.float32).to(cuda))
    optimizer.step()
    for old, new in zip(before, module.parameters(), strict=True):
        assert new.isfinite().all()
        assert not torch.equal(old, new)
