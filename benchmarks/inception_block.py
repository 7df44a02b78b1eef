"""Would InceptionA train faster with its 1x1 convolutions merged, or pooling after its convolution?

Three rewritings of the forward pass, over the same parameters, against the plain one that InceptionA
has, each in both layouts of memory; a step is forward and backward in training mode:

- merged: the three 1x1 convolutions that read the input become one, split afterwards.
- pooling last: average pooling follows the 1x1 convolution, over fewer channels or more. Both are linear,
  so they commute; the bias comes after pooling, because pooling counts the zeros around the image.
- merged, pooling last: then all four 1x1 convolutions read the input, and become one.

Before anything is timed, each must give the outputs and gradients of the plain one to 1e-10 in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from benchmarks.report import environment
from benchmarks.timing import Arm, Comparison, compare
from practicezoo.blocks import InceptionA

SEED = 0
ROUNDS = 30

Forward = Callable[[InceptionA, Tensor], Tensor]


def plain(block: InceptionA, features: Tensor) -> Tensor:
    """Run the branches one by one, as modules."""
    branches = (block.branch1x1, block.branch5x5, block.branch3x3dbl, block.branch_pool)
    return torch.cat([branch(features) for branch in branches], dim=1)


def merged(block: InceptionA, features: Tensor) -> Tensor:
    """Run the three 1x1 convolutions of the input as one."""
    convs: list[Any] = [block.branch1x1, block.branch5x5[0], block.branch3x3dbl[0]]
    first, second, third = map(_finish, convs, _convolve(convs, features))
    return _join(block, first, second, third, block.branch_pool(features))


def pooling_last(block: InceptionA, features: Tensor) -> Tensor:
    """Pool after the 1x1 convolution."""
    pool, conv = block.branch_pool
    (convolved,) = _convolve([conv], features, biased=False)
    starts = (block.branch1x1(features), block.branch5x5[0](features), block.branch3x3dbl[0](features))
    return _join(block, *starts, _finish(conv, _add_bias(conv, pool(convolved))))


def merged_pooling_last(block: InceptionA, features: Tensor) -> Tensor:
    """Run all four 1x1 convolutions as one, then pool."""
    pool, pool_conv = block.branch_pool
    convs: list[Any] = [block.branch1x1, block.branch5x5[0], block.branch3x3dbl[0], pool_conv]
    *convolved, pooled = _convolve(convs, features, biased=False)
    convolved.append(pool(pooled))
    starts = [_finish(conv, _add_bias(conv, part)) for conv, part in zip(convs, convolved, strict=True)]
    return _join(block, *starts)


VARIANTS: dict[str, Forward] = {
    "plain": plain,
    "merged": merged,
    "pooling last": pooling_last,
    "merged, pooling last": merged_pooling_last,
}


def _convolve(convs: list[Any], features: Tensor, *, biased: bool = True) -> tuple[Tensor, ...]:
    weight = torch.cat([conv.conv.weight for conv in convs])
    has_bias = biased and convs[0].conv.bias is not None
    bias = torch.cat([conv.conv.bias for conv in convs]) if has_bias else None
    return F.conv2d(features, weight, bias).split([conv.out_channels for conv in convs], dim=1)


def _add_bias(conv: Any, convolved: Tensor) -> Tensor:
    return convolved if conv.conv.bias is None else convolved + conv.conv.bias[:, None, None]


def _finish(conv: Any, convolved: Tensor) -> Tensor:
    return conv.activation(conv.norm(convolved))


def _join(block: InceptionA, first: Tensor, second: Tensor, third: Tensor, pooled: Tensor) -> Tensor:
    return torch.cat([first, block.branch5x5[1:](second), block.branch3x3dbl[1:](third), pooled], dim=1)


@dataclass(frozen=True)
class Case:
    """A block and the feature maps that it gets."""

    name: str
    make_block: Callable[..., InceptionA]
    size: int
    batch_size: int

    @property
    def title(self) -> str:
        """The block and the shape of its input."""
        return f"{self.name}, {self.size}x{self.size}, batch {self.batch_size}"

    def block_and_features(
        self, device: str, memory_format: torch.memory_format, *, dtype: torch.dtype = torch.float32
    ) -> tuple[InceptionA, Tensor]:
        """Build the same start each time, in training mode."""
        torch.manual_seed(SEED)
        block = self.make_block(dtype=dtype).to(device).to(memory_format=memory_format)
        features = torch.randn(self.batch_size, block.in_channels, self.size, self.size, dtype=dtype)
        return block, features.to(device=device, memory_format=memory_format).requires_grad_()


COURSE = ((10, 12), (20, 4))  # channels, height and width
CASES = (
    *(
        Case(f"InceptionA({channels})", partial(InceptionA, channels), size, batch_size)
        for channels, size in COURSE
        for batch_size in (64, 256)
    ),
    Case("InceptionA.v3(192, 32)", partial(InceptionA.v3, 192, 32), size=35, batch_size=8),
)
QUICK_CASES = (
    Case("InceptionA(10)", partial(InceptionA, 10), size=4, batch_size=2),
    Case("InceptionA.v3(8, 4)", partial(InceptionA.v3, 8, 4), size=5, batch_size=2),
)


def training_step(
    case: Case, forward: Forward, device: str, memory_format: torch.memory_format
) -> Callable[[], None]:
    """Return a step that goes forward and backward."""
    block, features = case.block_and_features(device, memory_format)
    gradient = torch.randn_like(plain(block, features).detach())

    def step() -> None:
        block.zero_grad(set_to_none=True)
        features.grad = None
        forward(block, features).backward(gradient)

    return step


def check_equal(make_block: Callable[..., InceptionA], forward: Forward, *, training: bool = True) -> None:
    """Raise AssertionError if a variant's results, gradients or buffers are not the plain ones'."""
    case = Case("", make_block, size=5, batch_size=3)
    results = []
    for function in (plain, forward):
        block, features = case.block_and_features("cpu", torch.contiguous_format, dtype=torch.float64)
        output = function(block.train(training), features)
        (output * torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)).sum().backward()
        gradients = {name: parameter.grad for name, parameter in block.named_parameters()}
        results.append((output, features.grad, gradients, dict(block.named_buffers())))
    assert_close(results[1], results[0], atol=1e-10, rtol=1e-10)


def compare_variants(case: Case, *, device: str, quick: bool) -> Comparison:
    """Time every variant in both layouts."""
    for forward in VARIANTS.values():
        check_equal(case.make_block, forward)
    layouts = {"": torch.contiguous_format, ", channels_last": torch.channels_last}
    arms = [
        Arm(
            f"{name}{suffix}",
            partial(training_step, case, forward, device, memory_format),
            work=case.batch_size,
            unit="images",
        )
        for suffix, memory_format in layouts.items()
        for name, forward in VARIANTS.items()
    ]
    return compare(arms, reference="plain", rounds=ROUNDS, quick=quick, device=device, seed=SEED)


def run(*, device: str, quick: bool) -> dict:
    """Compare the variants on each block; print milliseconds a step and the ratio to the plain one."""
    comparisons = {}
    for case in QUICK_CASES if quick else CASES:
        comparison = compare_variants(case, device=device, quick=quick)
        print(f"{case.title}, forward and backward\n{comparison.table()}")
        comparisons[case.title] = comparison.to_dict()
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "settings": {"mode": "training", "step": "forward and backward"},
    }
