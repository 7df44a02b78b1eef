"""A traced graph says what autograd knows, and leaves autograd and the user's tensors alone."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo.graph import trace


def scalar(value, *, dtype=torch.float64, requires_grad=True):
    return torch.tensor(float(value), dtype=dtype, requires_grad=requires_grad)


def gradients(graph):
    return {node: data["gradient"] for node, data in graph.nodes(data=True)}


def test_every_node_and_edge_of_a_small_graph():
    a, b, c = scalar(5), scalar(3), scalar(2)
    u = b * c
    graph = trace(3 * (a + u), {"a": a, "b": b, "c": c, "u": u})
    leaf = {"kind": "input", "operation": None, "shape": ()}
    result = {"kind": "operation", "shape": ()}
    assert dict(graph.nodes(data=True)) == {
        "a": leaf | {"value": 5.0, "gradient": 3.0},
        "b": leaf | {"value": 3.0, "gradient": 6.0},
        "c": leaf | {"value": 2.0, "gradient": 9.0},
        "u": result | {"operation": "mul", "value": 6.0, "gradient": 3.0},
        "add": result | {"operation": "add", "value": 11.0, "gradient": 3.0},
        "mul": result | {"operation": "mul", "value": 33.0, "gradient": 1.0},
    }
    derivatives = {(u, v): data["derivative"] for u, v, data in graph.edges(data=True)}
    assert derivatives == {
        ("a", "add"): 1.0,
        ("b", "u"): 2.0,
        ("c", "u"): 3.0,
        ("u", "add"): 1.0,
        ("add", "mul"): 3.0,
    }
    assert graph.graph == {"output": "mul", "left_out": ()}
    assert list(graph)[-1] == "mul", "nodes come in forward order"


def test_an_upstream_gradient():
    x, w = scalar(2), scalar(3)
    z = x * w
    graph = trace(5 * z, {"x": x, "w": w, "z": z})
    assert gradients(graph) == {"x": 15.0, "w": 10.0, "z": 5.0, "mul": 1.0}


def test_a_tensor_used_twice_by_one_operation_has_one_edge_with_the_sum():
    x = scalar(3)
    graph = trace(x * x, {"x": x})
    assert dict(graph.edges) == {("x", "mul"): {"derivative": 6.0, "jacobian_shape": ()}}
    graph = trace(x - x, {"x": x})
    assert graph.edges["x", "sub"]["derivative"] == 0.0
    assert gradients(graph) == {"x": 0.0, "sub": 1.0}


def test_names_are_given_or_follow_the_operation():
    weight, a = nn.Parameter(torch.tensor(2.0)), scalar(1, dtype=torch.float32)
    mul = a * weight
    graph = trace(torch.log_softmax((mul * a).reshape(1), 0) + mul * 2, {"mul": mul})
    assert set(graph) == {"mul", "mul_2", "mul_3", "view", "log_softmax", "add", "input", "parameter"}
    assert graph.nodes["parameter"]["kind"] == "parameter"
    assert graph.nodes["input"]["kind"] == "input"
    assert graph.nodes["mul_2"]["operation"] == "mul"


def test_constants_are_nodes_where_autograd_saved_them():
    x, y, w = scalar(1, requires_grad=False), scalar(2, requires_grad=False), scalar(1)
    loss = (x * w - y) ** 2
    graph = trace(loss, {"x": x, "y": y, "w": w, "loss": loss})
    assert graph.graph == {"output": "loss", "left_out": ("y",)}
    assert graph.nodes["x"] == {
        "kind": "constant",
        "operation": None,
        "shape": (),
        "value": 1.0,
        "gradient": None,
    }
    assert graph.edges["x", "mul"] == {"derivative": None, "jacobian_shape": None}
    assert gradients(graph)["w"] == -2.0
    assert set(graph) == {"x", "w", "mul", "sub", "loss"}, "a python number is no node"


def test_a_detached_result_is_no_constant_of_its_own_graph():
    x = scalar(1)
    h = torch.tanh(x)
    assert trace(h * 2, {"copy": h.detach()}).graph["left_out"] == ("copy",)


def test_values_that_nothing_tells_stay_unknown():
    a, b, shift = scalar(5), scalar(3), scalar(1, requires_grad=False)
    graph = trace(torch.stack([a + shift, a + b, a - b, a / b, -a, a**2]).sum(), {})
    values = {node: data["value"] for node, data in graph.nodes(data=True)}
    assert values["add"] is None
    assert (values["add_2"], values["sub"], values["div"], values["neg"]) == (8.0, 2.0, 5 / 3, -5.0)
    assert values["pow"] is None
    known = a**2
    graph = trace(known + (a + shift), {"known": known})
    assert graph.nodes["known"]["value"] == 25.0


def test_values_are_those_of_the_forward_pass():
    left, right = (torch.randn(2, 2, requires_grad=True) for _ in range(2))
    vector, factor = torch.randn(2), torch.randn(2)
    product, turned = left @ right, left.t()
    parts = [
        product,
        turned,
        product @ vector,
        product * factor,
        factor / product,
        torch.sub(left, right, alpha=3),
    ]
    graph = trace(torch.cat([part.flatten() for part in parts]).sum(), {"vector": vector, "factor": factor})
    for node, part in zip(["mm", "t", "mv", "mul", "div", "sub"], parts, strict=True):
        assert_close(graph.nodes[node]["value"], part.detach(), rtol=0, atol=0)


def network(dtype):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.LogSoftmax(dim=-1)).to(dtype)
    inputs, targets = torch.randn(5, 3, dtype=dtype), torch.tensor([0, 1, 1, 0, 1])
    hidden = model[:2](inputs)
    return model, inputs, targets, hidden, nn.functional.nll_loss(model[2:](hidden), targets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_a_network_are_autograds(dtype):
    model, inputs, targets, hidden, loss = network(dtype)
    named = {**dict(model.named_parameters()), "inputs": inputs, "targets": targets, "hidden": hidden}
    graph = trace(loss, named)
    assert graph.graph["left_out"] == ()
    assert graph.nodes["targets"]["kind"] == graph.nodes["inputs"]["kind"] == "constant"
    required = {name: tensor for name, tensor in named.items() if tensor.requires_grad}
    expected = torch.autograd.grad(loss, list(required.values()))
    for name, gradient in zip(required, expected, strict=True):
        assert_close(graph.nodes[name]["gradient"], gradient)
        assert_close(graph.nodes[name]["value"], required[name].detach())


def test_tensors_have_the_shape_of_their_jacobian():
    x, scale = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True), scalar(2, dtype=torch.float32)
    h = x * scale
    total = h.sum()
    graph = trace(total, {"x": x, "scale": scale, "h": h, "total": total})
    jacobians = torch.autograd.functional.jacobian(torch.mul, (x, scale))
    for name, jacobian in zip(["x", "scale"], jacobians, strict=True):
        assert graph.edges[name, "h"] == {"derivative": None, "jacobian_shape": tuple(jacobian.shape)}
    assert graph.edges["h", "total"] == {"derivative": None, "jacobian_shape": (1, 3)}
    assert graph.nodes["scale"]["gradient"] == 6.0, "summed over what it was broadcast to"
    assert_close(graph.nodes["x"]["gradient"], torch.full((1, 3), 2.0))


def test_one_element_is_a_number_whatever_its_shape():
    layer, x = nn.Linear(1, 1), torch.tensor([[2.0]])
    graph = trace(layer(x), dict(layer.named_parameters()))
    assert graph.edges["bias", "addmm"] == {"derivative": 1.0, "jacobian_shape": (1, 1, 1)}
    assert graph.edges["t", "addmm"]["derivative"] == 2.0
    assert graph.nodes["weight"]["gradient"] == 2.0


def test_gradients_of_a_tensor_are_those_of_its_sum():
    x = torch.arange(16.0, requires_grad=True)
    graph = trace(x**2, {"x": x})
    assert_close(graph.nodes["x"]["gradient"], 2 * x.detach())
    assert_close(graph.nodes["pow"]["gradient"], torch.ones(16))


def test_each_output_of_an_operation_is_a_node():
    x = torch.tensor([2.0, 3.0, 5.0], requires_grad=True)
    first, _, last = x.unbind()
    graph = trace(first * last, {"x": x, "last": last})
    assert set(graph) == {"x", "unbind[0]", "last", "mul"}
    assert graph.nodes["last"]["operation"] == "unbind[2]"
    assert graph.edges["last", "mul"]["derivative"] == graph.nodes["unbind[0]"]["value"] == 2.0
    assert_close(graph.nodes["x"]["gradient"], torch.tensor([5.0, 0.0, 2.0]))


class Blend(torch.autograd.Function):
    @staticmethod
    def forward(context, ratio, left, right):
        context.save_for_backward(left)
        context.ratio = ratio
        return ratio * left**2 + (1 - ratio) * right, left - right

    @staticmethod
    def backward(context, upstream, difference):
        (left,) = context.saved_tensors
        by_left = 2 * context.ratio * left * upstream + difference
        return None, by_left, (1 - context.ratio) * upstream - difference


def test_functions_of_ones_own():
    left, right = scalar(3), scalar(7)
    blend, difference = Blend.apply(0.25, left, right)
    output = blend * difference
    graph = trace(output, {"left": left, "right": right, "blend": blend})
    assert graph.edges["left", "blend"]["derivative"] == 1.5
    assert graph.edges["right", "blend"]["derivative"] == 0.75
    assert graph.edges["right", "blend[1]"]["derivative"] == -1.0
    expected = torch.autograd.grad(output, [left, right])
    assert (gradients(graph)["left"], gradients(graph)["right"]) == tuple(g.item() for g in expected)
    with pytest.raises(ValueError, match="a backward pass has freed it"):
        trace(output, {})


def test_mixed_dtypes():
    single, double = scalar(2, dtype=torch.float32), scalar(3)
    graph = trace(single * double, {"single": single, "double": double})
    assert (gradients(graph)["single"], gradients(graph)["double"]) == (3.0, 2.0)


def test_sparse_gradients():
    table = torch.randn(5, 2, requires_grad=True)
    ids = torch.tensor([1, 3, 1])
    output = nn.functional.embedding(ids, table, sparse=True).square().sum()
    graph = trace(output, {"table": table, "ids": ids})
    assert_close(graph.nodes["table"]["gradient"], torch.autograd.grad(output, table)[0].to_dense())
    assert graph.nodes["ids"]["kind"] == "constant"


def test_an_input_without_influence_has_gradient_zero():
    a, b = scalar(1), scalar(2)
    graph = trace(torch.where(torch.tensor(True), a, b), {"a": a, "b": b})
    assert (gradients(graph)["a"], gradients(graph)["b"]) == (1.0, 0.0)
    assert graph.edges["b", "where"]["derivative"] == 0.0


def test_autograd_and_the_users_tensors_are_left_alone():
    a, b = scalar(3), scalar(1)
    b.grad = scalar(7, requires_grad=False)
    calls: list[Any] = []
    c = a + b
    for tensor in (a, c):
        tensor.register_hook(calls.append)
    output = c * (b + 1)
    output.grad_fn.register_hook(lambda *_: calls.append("node"))
    trace(output, {"a": a, "b": b, "c": c})
    assert a.grad is None
    assert b.grad.item() == 7
    assert calls == []
    assert torch.is_grad_enabled()
    output.backward()
    assert (a.grad.item(), b.grad.item(), len(calls)) == (2.0, 13.0, 3)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_any_gradient_mode(mode):
    a, b = scalar(3), scalar(1)
    output = (a + b) * (b + 1)
    with mode():
        graph = trace(output, {"a": a, "b": b})
    assert (gradients(graph)["a"], gradients(graph)["b"]) == (2.0, 6.0)


def test_later_steps_do_not_change_the_graph():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    graph = trace((w**2).sum(), {"w": w})
    with torch.no_grad():
        w.zero_()
    assert_close(graph.nodes["w"]["value"], torch.tensor([1.0, 2.0]))
    assert_close(graph.nodes["w"]["gradient"], torch.tensor([2.0, 4.0]))


def test_a_long_chain_is_no_recursion():
    x = scalar(1)
    h = x
    for _ in range(3000):
        h = h + 1
    assert gradients(trace(h, {"x": x}))["x"] == 1.0


def test_a_retained_graph_can_be_traced():
    a = scalar(3)
    output = a * a
    output.backward(retain_graph=True)
    assert gradients(trace(output, {"a": a}))["a"] == 6.0


def test_a_freed_graph():
    a = scalar(3)
    output = torch.exp(a * a)
    output.backward()
    with pytest.raises(ValueError, match=r"freed it; trace before .* or call backward\(retain_graph=True\)"):
        trace(output, {"a": a})


def test_a_parameter_changed_in_place():
    w = scalar(3)
    output = w * w
    with torch.no_grad():
        w -= 1
    with pytest.raises(ValueError, match="one was changed in place: trace before the optimizer's step"):
        trace(output, {"w": w})


def test_no_graph():
    with pytest.raises(
        ValueError, match="on tensors that require gradients, got one that requires no gradient"
    ):
        trace(torch.tensor(1.0), {})
    with pytest.raises(ValueError, match=r"must be the result of operations .* got a leaf"):
        trace(scalar(1), {})
    with pytest.raises(TypeError, match="output must be a tensor, got float"):
        trace(1.0, {})


@pytest.mark.parametrize("shape", [(17,), (3, 400), (0,)])
def test_an_output_must_have_1_to_16_elements(shape):
    output = torch.ones(shape, requires_grad=True) * 2
    with pytest.raises(ValueError, match="output must have 1 to 16 elements, got shape ") as info:
        trace(output, {})
    assert str(info.value).endswith(str(shape))


def test_named_tensors_are_checked():
    a = scalar(1)
    output = a * 2
    with pytest.raises(TypeError, match="named must map names to tensors, got list"):
        trace(output, [a])
    number_for_a_name: Any = {1: a}
    number_for_a_tensor: Any = {"a": 1.0}
    with pytest.raises(TypeError, match="the keys of named must be strings, got 1"):
        trace(output, number_for_a_name)
    with pytest.raises(TypeError, match=r"named\['a'\] must be a tensor, got float"):
        trace(output, number_for_a_tensor)
    with pytest.raises(
        ValueError, match="named must give each tensor one name, got 'a' and 'also_a' for one"
    ):
        trace(output, {"a": a, "also_a": a})


@pytest.mark.parametrize("kind", ["leaf", "result"])
def test_a_named_tensor_is_part_of_the_graph(kind):
    a, b = scalar(1), scalar(2)
    other = b if kind == "leaf" else a * 3
    with pytest.raises(
        ValueError, match=r"named\['other'\] must be part of output's graph, but output does not"
    ):
        trace(a * 2, {"a": a, "other": other})
