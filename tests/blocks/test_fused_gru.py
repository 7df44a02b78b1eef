"""The fused GRU computes what torch's does, and steps aside where it cannot."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.testing import assert_close

from practicezoo import CharGRUClassifier, PaddedSequence, SequenceEncoder
from practicezoo.blocks import recurrent

EXACT = {"rtol": 1e-10, "atol": 1e-10}
some_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=5)
batches = [[1], [1, 1], [4, 4, 4], [7], [2, 5, 1, 3]]
every_depth = pytest.mark.parametrize("num_layers", [1, 2, 3])
both_ways = pytest.mark.parametrize("bidirectional", [False, True])


@pytest.fixture
def calls(monkeypatch):
    """How often the fused path ran."""
    made = []

    def run(*arguments):
        made.append(arguments)
        return run_fused(*arguments)

    run_fused = recurrent.run_fused
    monkeypatch.setattr(recurrent, "run_fused", run)
    return made


def make(bidirectional=True, num_layers=2, **settings):
    torch.manual_seed(0)
    settings = {"dtype": torch.float64, "fused": True, **settings}
    return SequenceEncoder(3, 4, num_layers=num_layers, bidirectional=bidirectional, **settings)


def packed(lengths, data=None):
    generator = torch.Generator().manual_seed(len(lengths))
    if data is None:
        data = torch.randn(len(lengths), max(lengths), 3, dtype=torch.float64, generator=generator)
    return pack_padded_sequence(data, torch.tensor(lengths), batch_first=True, enforce_sorted=False)


def results(encoder, inputs, embedding=None, *, fused):
    """Outputs, final state, and the gradients of the parameters (and of the embedding's)."""
    encoder.fused = fused
    outputs, final_state = encoder(inputs, embedding)
    loss = (outputs.data.sin() * torch.arange(1.0, outputs.data.numel() + 1).view_as(outputs.data)).sum()
    wanted = [*encoder.parameters(), *(embedding.parameters() if embedding else ())]
    if inputs.data.requires_grad:
        wanted.append(inputs.data)
    return [outputs.data, final_state, *torch.autograd.grad(loss + final_state.exp().sum(), wanted)]


@both_ways
@every_depth
@pytest.mark.parametrize("lengths", batches)
def test_values_and_gradients_are_those_of_torchs_layer(bidirectional, num_layers, lengths, calls):
    encoder, inputs = make(bidirectional, num_layers), packed(lengths)
    inputs = inputs._replace(data=inputs.data.clone().requires_grad_())
    expected = results(encoder, inputs, fused=False)
    assert not calls
    assert_close(results(encoder, inputs, fused=True), expected, **EXACT)
    assert len(calls) == 1


@both_ways
@every_depth
@pytest.mark.parametrize("lengths", batches)
@pytest.mark.parametrize("num_embeddings", [3, 50])  # fewer and more than there are steps
def test_so_are_those_of_an_embedding(bidirectional, num_layers, lengths, num_embeddings):
    encoder = make(bidirectional, num_layers)
    embedding = nn.Embedding(num_embeddings, 3, padding_idx=0, dtype=torch.float64)
    ids = torch.randint(num_embeddings, (len(lengths), max(lengths)))
    ids[0, 0] = 0  # counts, but the row of padding gets no gradient
    inputs = packed(lengths, ids)
    expected = results(encoder, inputs, embedding, fused=False)
    assert_close(results(encoder, inputs, embedding, fused=True), expected, **EXACT)


@both_ways
@given(lengths=some_lengths, data=st.data())
def test_packed_is_padded_is_alone(bidirectional, lengths, data):
    encoder = make(bidirectional)
    sequences = torch.randn(len(lengths), 7, 3, dtype=torch.float64)
    garbage = data.draw(st.sampled_from([0.0, -7.5, torch.inf, torch.nan]))
    behind = torch.arange(7) >= torch.tensor(lengths)[:, None]
    batch = PaddedSequence(sequences.masked_fill(behind[..., None], garbage), torch.tensor(lengths))
    expected = torch.cat(
        [
            encoder.rnn(each[None, :length])[1][-1 - bidirectional :].transpose(0, 1).flatten(1)
            for each, length in zip(sequences, lengths, strict=True)
        ]
    )
    assert_close(encoder(batch).final_state, expected, **EXACT)
    assert_close(encoder(batch.pack()).final_state, expected, **EXACT)
    for row in range(len(lengths)):
        assert_close(encoder(batch.rows(slice(row, row + 1))).final_state[0], expected[row], **EXACT)


def test_sequences_that_are_sorted_need_no_indices():
    encoder = make()
    data = torch.randn(2, 4, 3, dtype=torch.float64)
    inputs = pack_padded_sequence(data, torch.tensor([4, 2]), batch_first=True)
    assert inputs.unsorted_indices is None
    expected = results(encoder, inputs, fused=False)
    assert_close(results(encoder, inputs, fused=True), expected, **EXACT)


def test_inputs_that_are_not_contiguous():
    encoder, inputs = make(), packed([2, 5, 1, 3])
    strided = inputs._replace(data=inputs.data.t().contiguous().t())
    assert not strided.data.is_contiguous()
    assert_close(results(encoder, strided, fused=True), results(encoder, inputs, fused=False), **EXACT)


def test_dropout_drops_what_torchs_layer_drops():
    encoder, inputs = make(num_layers=3, dropout=0.5), packed([2, 5, 1, 3])
    torch.manual_seed(1)
    expected = results(encoder, inputs, fused=False)
    torch.manual_seed(1)
    assert_close(results(encoder, inputs, fused=True), expected, **EXACT)
    encoder.eval()
    assert_close(results(encoder, inputs, fused=True), results(encoder, inputs, fused=False), **EXACT)


def test_without_gradients_torchs_layer_is_called(calls):
    encoder, inputs = make(), packed([2, 5, 1, 3])
    with torch.no_grad():
        final_state = encoder(inputs).final_state
    assert not calls
    assert_close(final_state, encoder(inputs).final_state, **EXACT)
    assert len(calls) == 1


def test_frozen_weights_still_pass_the_gradient_on():
    encoder, inputs = make().requires_grad_(False), packed([2, 5, 1, 3])
    gradients = []
    for fused in (False, True):
        encoder.fused = fused
        data = inputs.data.clone().requires_grad_()
        encoder(inputs._replace(data=data)).final_state.exp().sum().backward()
        gradients.append(data.grad)
    assert_close(gradients[1], gradients[0], **EXACT)


def test_transforms_of_functions_are_refused():
    encoder, inputs = make(), packed([2, 5, 1])

    def loss(parameters):
        return torch.func.functional_call(encoder, parameters, (inputs,)).final_state.sum()

    with pytest.raises(RuntimeError, match=r"functorch transforms|have storage"):
        torch.func.grad(loss)(dict(encoder.named_parameters()))


def test_a_graph_that_is_kept_gives_the_same_gradient_again():
    encoder = make()
    loss = encoder(packed([2, 5, 1])).final_state.square().sum()
    first = torch.autograd.grad(loss, list(encoder.parameters()), retain_graph=True)
    assert_close(torch.autograd.grad(loss, list(encoder.parameters())), first, rtol=0, atol=0)


def test_a_second_derivative_is_refused():
    encoder = make()
    loss = encoder(packed([2, 5, 1])).final_state.square().sum()
    gradients = torch.autograd.grad(loss, list(encoder.parameters()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradients[0].sum().backward()


def test_autocast_leaves_the_steps_in_the_weights_type():
    encoder, inputs = make(dtype=torch.float32), packed([2, 5, 1, 3])
    inputs = inputs._replace(data=inputs.data.float())
    expected = encoder(inputs).final_state
    with torch.autocast("cpu", dtype=torch.bfloat16):
        final_state = encoder(inputs).final_state
    assert final_state.dtype == torch.float32
    assert_close(final_state, expected, rtol=0, atol=2e-2)
    assert not torch.equal(final_state, expected)
    final_state.sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in encoder.parameters())


@pytest.mark.parametrize(
    "register",
    [
        lambda rnn, hook: rnn.register_forward_hook(hook),
        lambda rnn, hook: rnn.register_forward_pre_hook(hook),
        lambda rnn, hook: nn.modules.module.register_module_forward_hook(hook),
    ],
)
def test_a_layer_with_hooks_is_called_itself(register, calls):
    encoder, seen = make(), []
    handle = register(encoder.rnn, lambda module, *_: seen.append(module))
    encoder(packed([2, 1]))
    handle.remove()
    assert encoder.rnn in seen
    assert not calls
    encoder(packed([2, 1]))
    assert len(calls) == 1


def test_hooks_of_the_embedding_see_every_step():
    encoder, embedding, seen = make(), nn.Embedding(3, 3, dtype=torch.float64), []
    embedding.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    inputs = packed([4, 4], torch.randint(3, (2, 4)))
    encoder(inputs, embedding)
    assert_close(seen, [inputs.data])


@pytest.mark.parametrize("setting", [{"scale_grad_by_freq": True}, {"sparse": True}, {"max_norm": 0.1}])
def test_an_embedding_that_depends_on_what_is_looked_up_gets_the_ids(setting):
    gradients = []
    for fused in (False, True):
        encoder, embedding = make(fused=fused), nn.Embedding(4, 3, dtype=torch.float64, **setting)
        encoder(
            packed([4, 4], torch.tensor([[1, 2, 1, 1], [2, 2, 1, 2]])), embedding
        ).final_state.sum().backward()
        gradient = embedding.weight.grad
        gradients.append((gradient.coalesce() if gradient.is_sparse else gradient, embedding.weight.detach()))
    assert_close(gradients[1], gradients[0], **EXACT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_torchs_layer_is_called(dtype, calls):
    encoder, inputs = make(dtype=dtype), packed([2, 5, 1, 3])
    encoder(inputs._replace(data=inputs.data.to(dtype)))
    assert not calls  # small values of the fused tanh would be far off


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int16])
def test_ids_of_a_type_that_embeddings_refuse_are_refused(dtype):
    inputs = packed([4, 4], torch.ones(2, 4, dtype=dtype))
    with pytest.raises(RuntimeError, match="scalar types: Long, Int"):
        make()(inputs, nn.Embedding(2, 3, dtype=torch.float64))


def test_a_module_in_the_place_of_the_embedding_is_called():
    encoder, inputs = make(), packed([4, 4], torch.randint(3, (2, 4)))
    embedding = nn.Sequential(nn.Embedding(3, 3, dtype=torch.float64), nn.Tanh())
    expected = results(encoder, inputs, embedding, fused=False)
    assert_close(results(encoder, inputs, embedding, fused=True), expected, **EXACT)


def test_an_embedding_with_other_weights_has_as_many_rows_as_they_have():
    encoder, embedding = make(), nn.Embedding(3, 3)
    embedding.weight = nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    inputs = packed([4, 4], torch.tensor([[0, 1, 2, 3], [4, 4, 3, 0]]))
    expected = results(encoder, inputs, embedding, fused=False)
    assert_close(results(encoder, inputs, embedding, fused=True), expected, **EXACT)


def test_another_default_device_changes_nothing():
    encoder, inputs = make(), packed([2, 5, 1, 3])
    expected = encoder(inputs).final_state
    with torch.device("meta"):
        assert_close(encoder(inputs).final_state, expected, **EXACT)


@pytest.mark.filterwarnings("ignore::UserWarning")  # the compiler's own, of a tensor's .grad
def test_a_compiled_encoder_calls_torchs_layer(calls):
    encoder, inputs = make(), packed([2, 5, 1])
    expected = encoder(inputs).final_state
    torch.compiler.reset()
    compiled = torch.compile(encoder, backend="eager")
    assert_close(compiled(inputs).final_state, expected, **EXACT)
    assert len(calls) == 1


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_another_cell_is_refused(cell, calls):
    with pytest.raises(ValueError, match=f"fused needs cell='gru', got cell='{cell}'"):
        make(cell=cell)
    encoder = make(cell=cell, fused=False)
    encoder.fused = True
    encoder(packed([2, 1]))
    assert not calls


def test_a_wrong_shape_is_refused_alike():
    with pytest.raises(
        ValueError, match=r"SequenceEncoder expects inputs of shape \(steps, 3\), got \(3, 5\)"
    ):
        make()(packed([2, 1], torch.randn(2, 2, 5)))


@pytest.mark.parametrize(
    ("ids", "embedding_dim", "message"),
    [((2, 2), 5, r"shape \(steps, 3\), got \("), ((2, 2, 2), 3, r"shape \(steps, 3\), got \(3, 2, 3\)")],
)
def test_so_are_ids_and_embeddings_of_a_wrong_shape(ids, embedding_dim, message):
    inputs, embedding = packed([2, 1], torch.zeros(ids, dtype=torch.int64)), nn.Embedding(2, embedding_dim)
    with pytest.raises(ValueError, match=message):
        make()(inputs, embedding)


def test_a_classifier_trains_by_it(calls):
    torch.manual_seed(0)
    model = CharGRUClassifier(num_chars=5, num_classes=3, hidden_size=4, embedding_dim=3, dtype=torch.float64)
    names = PaddedSequence(torch.randint(5, (6, 4)), torch.tensor([4, 2, 1, 4, 3, 4]))
    gradients = []
    for fused in (False, True):
        model.encoder.fused = fused
        gradients.append(torch.autograd.grad(model(names).logsumexp(1).sum(), list(model.parameters())))
    assert_close(gradients[1], gradients[0], **EXACT)
    assert len(calls) == 1
