"""
Computational graph of a formula
================================

What autograd records, drawn: values on the way forward, derivatives on the
way back.
"""

import torch

from practicezoo.graph import trace
from practicezoo.plotting import draw_graph

# %%
# The course's example: ``b`` reaches ``e`` on two paths.
a = torch.tensor(3.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)
c, d = a + b, b + 1
e = c * d
graph = trace(e, {"a": a, "b": b, "c": c, "d": d, "e": e})
draw_graph(graph)

# %%
# Under each box stands its value, then in red the gradient of ``e``. A number
# on an edge is the local derivative: a path's product is 2 over ``c`` and 4
# over ``d``, and the gradient is their sum.
from practicezoo.graph import gradient_by_paths

e.backward()
print("path by path:", gradient_by_paths(graph, "b", "e"))
print("autograd:    ", b.grad.item())

# %%
# A layer works the same; where a tensor has several elements, its shape is
# drawn.
torch.manual_seed(0)
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.randn(2, 3, requires_grad=True)
bias = torch.zeros(2, requires_grad=True)
h = torch.sigmoid(w @ x + bias)
draw_graph(trace(h.sum(), {"x": x, "w": w, "bias": bias, "h": h}))
