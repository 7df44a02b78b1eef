import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo.blocks import (
    SHORTCUTS,
    ExclusiveGate,
    PadChannels,
    ResidualBlock,
    Scale,
    Shortcut,
    ShortcutGate,
    ShortcutSpec,
)


def _pair(channels: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x, residual = torch.randn(2, 2, channels, 5, 5)
    return x, residual


def test_scale_one_one_is_the_identity_shortcut():
    x, residual = _pair()
    assert torch.equal(Scale(shortcut=1.0, residual=1.0)(x, residual), Shortcut()(x, residual))
    torch.manual_seed(0)
    plain = ResidualBlock(4, shortcut="identity")
    torch.manual_seed(0)
    scaled = ResidualBlock(4, shortcut=Scale(shortcut=1.0, residual=1.0))
    assert torch.equal(scaled(x), plain(x))


@pytest.mark.parametrize(("shortcut", "residual"), [(0.5, 0.5), (0.5, 1.0), (0.0, 1.0)])
def test_scale_weighs_both_paths(shortcut: float, residual: float):
    x, branch = _pair()
    assert_close(Scale(shortcut=shortcut, residual=residual)(x, branch), shortcut * x + residual * branch)
    default = SHORTCUTS["scale"](ShortcutSpec(4, 4))
    assert_close(default(x, branch), 0.5 * x + 0.5 * branch)


@pytest.mark.parametrize(("bias", "residual_only"), [(-200.0, False), (200.0, True)])
def test_exclusive_gate_at_its_limits(bias: float, residual_only: bool):
    x, residual = _pair()
    assert torch.equal(ExclusiveGate(4, initial_bias=bias)(x, residual), residual if residual_only else x)


@pytest.mark.parametrize("bias", [-200.0, 200.0])
def test_shortcut_gate_at_its_limits(bias: float):
    x, residual = _pair()
    expected = residual if bias > 0 else x + residual
    assert torch.equal(ShortcutGate(4, initial_bias=bias)(x, residual), expected)


def test_gates_by_their_formula():
    x, residual = _pair()
    for kind, weigh in (
        (ExclusiveGate, lambda gate: (1 - gate) * x + gate * residual),
        (ShortcutGate, lambda gate: (1 - gate) * x + residual),
    ):
        shortcut = kind(4, initial_bias=0.3)
        gate = torch.sigmoid(torch.einsum("oi,nihw->nohw", shortcut.gate.weight[:, :, 0, 0], x) + 0.3)
        assert_close(shortcut(x, residual), weigh(gate))


def test_gates_start_nearly_shut_and_reset():
    gate = ShortcutGate(4)
    assert gate.gate.bias.eq(-6).all()
    nn.init.zeros_(gate.gate.bias)
    before = gate.gate.weight.clone()
    gate.reset_parameters()
    assert gate.gate.bias.eq(-6).all()
    assert not torch.equal(gate.gate.weight, before)


def test_dropout_acts_on_the_shortcut_in_training_only():
    shortcut = SHORTCUTS["dropout"](ShortcutSpec(4, 4))
    x, residual = torch.ones(1, 4, 50, 50), torch.zeros(1, 4, 50, 50)
    torch.manual_seed(0)
    assert set(shortcut(x, residual).unique().tolist()) == {0.0, 2.0}
    assert_close(shortcut(x, residual).mean(), torch.tensor(1.0), atol=0.05, rtol=0)
    assert torch.equal(shortcut.eval()(x, residual), x)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [5, 6])
def test_padding_keeps_pixels_and_adds_zeros(stride: int, size: int):
    images = torch.randn(2, 3, size, size)
    output = PadChannels(3, 5, stride=stride)(images)
    assert torch.equal(output[:, :3], images[:, :, ::stride, ::stride])
    assert output[:, 3:].abs().sum() == 0
    assert ResidualBlock(3, 5, stride=stride, shortcut="pad")(images).shape == output.shape


def test_padding_to_fewer_channels_is_an_error():
    with pytest.raises(ValueError, match="out_channels must be at least in_channels=5 to pad, got 3"):
        PadChannels(5, 3)
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        PadChannels(5, 5, stride=0)


@pytest.mark.parametrize("name", sorted(SHORTCUTS))
def test_every_name_bridges_equal_shapes(name: str):
    images = torch.randn(2, 4, 6, 6)
    assert ResidualBlock(4, shortcut=name)(images).shape == images.shape


@pytest.mark.parametrize("name", sorted(set(SHORTCUTS) - {"identity"}))
@pytest.mark.parametrize("stride", [1, 2])
def test_every_other_name_bridges_changed_shapes(name: str, stride: int):
    block = ResidualBlock(4, 6, stride=stride, shortcut=name, norm=nn.BatchNorm2d)
    assert block(torch.randn(2, 4, 7, 7)).shape == (2, 6, -(-7 // stride), -(-7 // stride))


def test_auto_is_the_identity_where_shapes_agree():
    assert isinstance(ResidualBlock(4).shortcut.projection, nn.Identity)
    assert ResidualBlock(4, 6).shortcut.projection.kernel_size == 1


def test_a_users_module_is_added():
    projection = nn.Conv2d(4, 6, 1)
    block = ResidualBlock(4, 6, shortcut=projection)
    assert block.shortcut.projection is projection
    x, _ = _pair()
    assert torch.equal(block(x), (projection(x) + block.residual(x)).relu())


def test_a_users_shortcut_joins_in_its_own_way():
    class Maximum(Shortcut):
        def forward(self, x, residual):
            return torch.maximum(self.project(x, residual), residual)

    block = ResidualBlock(4, shortcut=Maximum(), activation=None)
    x, _ = _pair()
    assert torch.equal(block(x), torch.maximum(x, block.residual(x)))


@pytest.mark.parametrize("kind", [ShortcutGate, ExclusiveGate])
@pytest.mark.parametrize("out_channels", [1, 4])
def test_a_gate_is_not_broadcast(kind, out_channels: int):
    block = ResidualBlock(4, 6, shortcut=kind(4, out_channels, projection=nn.Conv2d(4, 6, 1)))
    message = rf"gate must give the residual's shape \(2, 6, 5, 5\), got \(2, {out_channels}, 5, 5\)"
    with pytest.raises(ValueError, match=message):
        block(torch.zeros(2, 4, 5, 5))


@pytest.mark.parametrize("kind", [ShortcutGate, ExclusiveGate])
def test_gates_refuse_channels_below_one(kind):
    with pytest.raises(ValueError, match="in_channels must be at least 1, got 0"):
        kind(0)
