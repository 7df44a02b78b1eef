"""What every block and model promises, over each entry of the catalog."""

import copy
import inspect
import io
import pickle
import re
from collections import Counter

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import practicezoo
import practicezoo.blocks
import practicezoo.models
from practicezoo import PaddedSequence
from practicezoo.blocks import Scale, Shortcut
from support.catalog import BLOCKS, ENTRIES, MODELS, Part

FORMS = ["padded", "packed", "lengths"]
RECURRENT = [entry for entry in ENTRIES if entry.recurrent]
ONE_OF_EACH = list({entry.module: entry for entry in reversed(ENTRIES)}.values())
# the first lessons' models: their last layer is all they have, or is left out
WITHOUT_RESET_HEAD = {
    practicezoo.models.CharTagger,
    practicezoo.models.LinearRegression,
    practicezoo.models.LogisticRegression,
    practicezoo.models.StepwiseTagger,
}
VISION_BLOCKS = [entry for entry in BLOCKS if not entry.recurrent]
VISION_MODELS = [entry for entry in MODELS if not entry.recurrent]
# the default compiler takes half a minute for some, so it runs for one of each kind
COMPILED_FOR_REAL = {
    "CharGRUClassifier-default",
    "ResidualBlock-norm",
    "mnist_inception",
}

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


def ready(entry, **factory):
    """A module in evaluation mode, after a training batch, so that its norms have seen data."""
    module = entry.build(**factory)
    inputs = entry.example(8, factory.get("dtype", torch.float32))
    module(*move(inputs, factory.get("device", "cpu")))
    return module.eval()


def move(inputs, device):
    return tuple(each.to(device) for each in inputs)


def results(outputs):
    """The floating tensors of an output, whatever its form."""
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def last(outputs):
    """The one tensor that a loss is computed from: the logits, or the final state of an encoder."""
    return results(outputs)[-1]


def differentiate(module, inputs):
    """The gradients of an uneven weighting of the result, by the name of the parameter or "input 0", ..."""
    inputs = [
        each.detach().clone().requires_grad_()
        if isinstance(each, torch.Tensor) and each.is_floating_point()
        else each
        for each in inputs
    ]
    module.zero_grad()
    output = last(module(*inputs)).float()
    output.mul(
        torch.arange(1.0, output.numel() + 1, device=output.device).view_as(output).sin()
    ).sum().backward()
    gradients = {
        f"input {place}": each.grad
        for place, each in enumerate(inputs)
        if isinstance(each, torch.Tensor) and each.requires_grad
    }
    return gradients | {
        name.removeprefix("_orig_mod."): parameter.grad for name, parameter in module.named_parameters()
    }


def without_dropout(module):
    """The module with no dropout left in it, so that it computes the same on every device."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, nn.RNNBase):
            part.dropout = 0.0
    return module


def pad(inputs, *, extra=2):
    """A dense batch as a padded one: lengths 1, 2, 3, ... and some more padding behind."""
    (inputs,) = inputs
    num_sequences, num_steps = inputs.shape[:2]
    lengths = torch.arange(num_sequences).remainder(num_steps) + 1
    padding = inputs.new_zeros(num_sequences, extra, *inputs.shape[2:])
    return PaddedSequence(torch.cat([inputs, padding], dim=1), lengths)


def skip_what_torch_cannot_compile(entry):
    """The compiler of torch 2.6 runs the kernel that pads logits on tensors without data."""
    taggers = {practicezoo.models.CharTagger, practicezoo.models.StepwiseTagger}
    if entry.module in taggers and torch.__version__.startswith("2.6."):
        pytest.skip("torch 2.6 cannot compile pad_packed_sequence")


def in_form(form, entry, dtype=torch.float32):
    """Three sequences as a recurrent module's arguments: padded, packed, or a tensor with lengths."""
    padded = pad(entry.example(3, dtype))
    if form == "packed":
        return (padded.pack(),)
    if form == "lengths" and entry.module is not practicezoo.SequenceEncoder:  # it takes none
        return tuple(padded)
    return (padded,)


def test_every_exported_module_has_an_entry():
    assert {entry.module for entry in ENTRIES} == exported_modules()


def test_entries_have_distinct_names():
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)


@over(ENTRIES)
def test_an_entry_is_of_its_class(entry):
    assert type(entry.build()) is entry.module


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


@over(ONE_OF_EACH)  # the slow test below takes them all
@ignore_grad_access
def test_compile(entry):
    torch.compiler.reset()
    module = ready(entry)
    compiled = torch.compile(module, backend="eager", fullgraph=not entry.recurrent)
    inputs = entry.example(3, torch.float32)
    assert_close(results(compiled(*inputs)), results(module(*inputs)))


@over(RECURRENT)
@pytest.mark.parametrize("form", FORMS)
@ignore_grad_access
def test_compile_takes_sequences_in_every_form(entry, form):
    skip_what_torch_cannot_compile(entry)
    torch.compiler.reset()
    module = ready(entry)
    compiled = torch.compile(module, backend="eager")
    inputs = in_form(form, entry)
    assert_close(results(compiled(*inputs)), results(module(*inputs)))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@ignore_grad_access
def test_the_default_compiler_trains_on_sequences_in_every_form(form):
    torch.compiler.reset()
    (entry,) = (entry for entry in RECURRENT if entry.name == "CharGRUClassifier-default")
    module, inputs = ready(entry), in_form(form, entry)
    gradients = copy.deepcopy(differentiate(module, inputs))
    compiled = torch.compile(module)
    assert_close(results(compiled(*inputs)), results(module(*inputs)), rtol=1e-4, atol=1e-5)
    assert_close(differentiate(compiled, inputs), gradients, rtol=1e-4, atol=1e-5)


@over([entry for entry in MODELS if entry.registered in {"names_gru", "hello_rnn_cell"}])
@ignore_grad_access
def test_fit_trains_a_compiled_model_on_padded_sequences_as_the_model_itself(entry):
    skip_what_torch_cannot_compile(entry)
    torch.compiler.reset()
    plain = entry.build()
    compiled = torch.compile(copy.deepcopy(plain), backend="aot_eager")
    padded = pad(entry.example(4, torch.float32))
    targets = plain(padded).detach().argmin(dim=1)
    losses = [
        practicezoo.fit(
            model,
            [(padded, targets)],
            criterion=nn.CrossEntropyLoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            progress=False,
        )["train_loss"]
        for model in (plain, compiled)
    ]
    assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
    assert losses[0][1] < losses[0][0]


@pytest.mark.slow
@over(ENTRIES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@ignore_grad_access
def test_a_compiled_module_trains(entry):
    torch.compiler.reset()
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    gradients = copy.deepcopy(differentiate(module, inputs))
    backend = "inductor" if entry.name in COMPILED_FOR_REAL else "aot_eager"
    compiled = torch.compile(module, backend=backend, fullgraph=not entry.recurrent)
    assert_close(results(compiled(*inputs)), results(module(*inputs)), rtol=1e-4, atol=1e-5)
    assert_close(differentiate(compiled, inputs), gradients, rtol=1e-4, atol=1e-5)


@over(ENTRIES)
@ignore_flat_weights
def test_export_with_any_batch_size(entry):
    module = ready(entry)
    example = entry.example(3, torch.float32)
    any_batch_size = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
    program = torch.export.export(module, example, dynamic_shapes=any_batch_size)
    for batch_size in (1, 2, 3, 7):
        inputs = entry.example(batch_size, torch.float32)
        assert_close(results(program.module()(*inputs)), results(module(*inputs)))


@over(VISION_BLOCKS + VISION_MODELS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_symbolic_tracing(entry, training):
    module = without_dropout(ready(entry)).train(training)
    inputs = entry.example(3, torch.float32)
    traced = torch.fx.symbolic_trace(copy.deepcopy(module))
    assert_close(results(traced(*inputs)), results(module(*inputs)), rtol=0, atol=0)


@over([entry for entry in VISION_BLOCKS + VISION_MODELS if not issubclass(entry.module, Shortcut)])
def test_torchvision_extracts_features(entry):
    module = ready(entry)
    (inputs,) = entry.example(3, torch.float32)
    names = get_graph_node_names(module)[1]
    extractor = create_feature_extractor(module, [names[0], names[-1]])
    first, output = extractor(inputs).values()
    assert torch.equal(first, inputs)
    assert_close(output, module(inputs), rtol=0, atol=0)


@over([entry for entry in VISION_MODELS if issubclass(entry.module, practicezoo.ImageClassifier)])
def test_torchvision_extracts_an_image_classifiers_feature_map(entry):
    model = ready(entry)
    (images,) = entry.example(3, torch.float32)
    extractor = create_feature_extractor(model, {"features": "map", "head": "logits"})
    outputs = extractor(images)
    assert_close(outputs["map"], model.forward_features(images), rtol=0, atol=0)
    assert_close(outputs["logits"], model(images), rtol=0, atol=0)


@over([entry for entry in VISION_MODELS if issubclass(entry.module, practicezoo.ImageClassifier)])
def test_an_image_classifiers_stages_are_those_that_torchvision_extracts(entry):
    model = ready(entry)
    (images,) = entry.example(3, torch.float32)
    names = [stage.name for stage in model.feature_info]
    maps = practicezoo.feature_maps(model, images, names)
    assert_close(maps, create_feature_extractor(model, names)(images), rtol=0, atol=0)
    assert [features.shape[1] for features in maps.values()] == [each.channels for each in model.feature_info]


@over(ENTRIES)
def test_feature_maps_of_every_part_that_runs_once(entry):
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    calls = Counter()
    for name, part in module.named_modules():
        part.register_forward_hook(lambda *_, name=name: calls.update([name]))
    module(*inputs)
    maps = practicezoo.feature_maps(module, inputs, [name for name, times in calls.items() if times == 1])
    assert_close(results(maps[""]), results(module(*inputs)), rtol=0, atol=0)


@over(BLOCKS)
def test_a_block_tells_its_output_size(entry):
    block = entry.build()
    inputs = entry.example(2, torch.float32)
    output = last(block(*inputs))
    if entry.module in {Shortcut, Scale}:  # they take any channels, and give the residual's
        assert output.shape == inputs[1].shape
    else:
        size = block.out_channels if hasattr(block, "out_channels") else block.out_features
        assert output.shape[1] == size


@over(ENTRIES)
def test_an_argument_is_readable_under_its_own_name(entry):
    """On the module itself, or on the part of it that the argument went to."""
    module = entry.build()
    for name, value in entry.arguments.items():
        found = [getattr(part, name) for part in module.modules() if hasattr(part, name)]
        if isinstance(value, type):  # the class of a part
            assert any(isinstance(part, value) for part in module.modules()), name
        elif isinstance(value, str | Part) and name != "cell":  # a part, or the name of one
            assert any(isinstance(part, nn.Module) for part in found), name
        elif value is not None and not callable(value):  # a number, or the widths of a branch
            told = [widths(part) if isinstance(part, nn.Module) else part for part in found]
            assert value in told, name


def widths(part):
    """The channels that each convolution of a branch makes: a number, or several."""
    channels = tuple(conv.out_channels for conv in part.modules() if isinstance(conv, nn.Conv2d))
    return channels[0] if len(channels) == 1 else channels


@over(ENTRIES)
def test_repr_shows_the_module(entry):
    assert repr(entry.build()).startswith(f"{entry.module.__name__}(")


@pytest.mark.parametrize("module", sorted(exported_modules(), key=lambda module: module.__name__))
def test_signature(module):
    parameters = inspect.signature(module).parameters
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    if module not in {Shortcut, Scale, practicezoo.blocks.PadChannels}:  # they make no parameters
        assert kinds["device"] == kinds["dtype"] == inspect.Parameter.KEYWORD_ONLY
    positional = [name for name, kind in kinds.items() if kind == inspect.Parameter.POSITIONAL_OR_KEYWORD]
    third = {practicezoo.ConvNormAct: ["kernel_size"], practicezoo.DenseBlock: ["num_layers"]}
    assert positional[2:] == third.get(module, [])
    assert inspect.Parameter.VAR_KEYWORD not in kinds.values()


@over([entry for entry in ENTRIES if not entry.makes_parameters])
def test_what_takes_no_device_makes_no_parameters(entry):
    given = [value for value in entry.arguments.values() if isinstance(value, Part)]
    assert given or not list(entry.build().parameters())


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


@over([entry for entry in MODELS if entry.module not in WITHOUT_RESET_HEAD])
def test_reset_head_keeps_the_features(entry):
    model = ready(entry, dtype=torch.float64)
    inputs = entry.example(2, torch.float64)
    features = model.forward_features(*inputs)
    model.reset_head(47)
    assert torch.equal(model.forward_features(*inputs), features)
    assert model(*inputs).shape == (2, 47)
    assert model.num_classes == 47
    assert {parameter.dtype for parameter in model.head.parameters()} == {torch.float64}
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        model.reset_head(0)


@over([entry for entry in MODELS if entry.module not in WITHOUT_RESET_HEAD])
def test_reset_head_stays_on_the_device(entry):
    model = entry.build(device="meta")
    model.reset_head(3)
    assert model.head.weight.is_meta


@over(VISION_BLOCKS)
def test_channels_last_gives_the_same(entry):
    module = ready(entry, dtype=torch.float64)
    inputs = entry.example(2, torch.float64)
    expected = module(*inputs)
    assert_close(module(*(each.to(memory_format=torch.channels_last) for each in inputs)), expected)


@over([entry for entry in VISION_BLOCKS if entry.module not in {Shortcut, Scale}])
@pytest.mark.parametrize("shape", [(2, 9, 6, 6), (4, 6, 6), (2, 4, 6, 6, 1)], ids=str)
def test_a_block_names_itself_and_both_shapes(entry, shape):
    block = entry.build()
    message = f"{entry.module.__name__} expects inputs of shape (N, 4, H, W), got {shape}"
    _, *residual = entry.example(2, torch.float32)
    with pytest.raises(ValueError, match=re.escape(message)):
        block(torch.zeros(shape), *residual)


@over([entry for entry in VISION_BLOCKS if entry.module not in {Shortcut, Scale}])
def test_a_block_takes_tensors_only(entry):
    features, *residual = entry.example(2, torch.float32)
    with pytest.raises(TypeError, match=f"{entry.module.__name__} expects a tensor, got ndarray"):
        entry.build()(features.numpy(), *residual)


@over(VISION_MODELS)
def test_a_model_names_itself_the_rule_and_what_it_got(entry):
    model = entry.build()
    name = entry.module.__name__
    (inputs,) = entry.example(2, torch.float32)
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
