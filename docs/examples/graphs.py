"""The pictures of docs/graphs.md, written into the current folder."""

import torch
from torch import nn

from practicezoo.graph import trace
from practicezoo.plotting import draw_graph


def scalar(value):
    return torch.tensor(float(value), requires_grad=True)


def two_paths():
    a, b = scalar(3), scalar(1)
    c, d = a + b, b + 1
    e = c * d
    return trace(e, {"a": a, "b": b, "c": c, "d": d, "e": e})


def two_layers():
    torch.manual_seed(0)
    x = torch.tensor([1.0, 2.0, 3.0])
    w1, b1 = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4))
    w2, b2 = nn.Parameter(torch.randn(1, 4)), nn.Parameter(torch.randn(1))
    h = torch.sigmoid(w1 @ x + b1)
    y = w2 @ h + b2
    return trace(
        y, {"x": x, "W₁": w1, "b₁": b1, "h": h, "W₂": w2, "b₂": b2, "ŷ": y}
    )


def regression_step():
    x, w, b, y = scalar(1), scalar(1), scalar(2), scalar(2)
    prediction = x * w + b
    r = prediction - y
    loss = r**2
    return trace(
        loss,
        {
            "x": x,
            "w": w,
            "b": b,
            "y": y,
            "ŷ": prediction,
            "r": r,
            "loss": loss,
        },
    )


PICTURES = {
    "graph_two_paths": two_paths,
    "graph_two_layers": two_layers,
    "graph_regression_step": regression_step,
}

if __name__ == "__main__":
    for name, make in PICTURES.items():
        graph = make()
        draw_graph(graph).figure.savefig(f"{name}.png", dpi=150)
        print(
            f"{name}.png: {len(graph)} nodes, {graph.number_of_edges()} edges"
        )
