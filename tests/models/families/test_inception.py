"""GoogLeNet and Inception v3: sizes, stages, auxiliary heads, and what is refused."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from practicezoo import ConvNormAct, GoogLeNet, InceptionV1, InceptionV3, create_model, fit
from practicezoo.models import AuxiliaryLogits
from practicezoo.models.families import TransformInput

PARAMETERS = {
    ("googlenet", False): 6_624_904,
    ("googlenet", True): 13_004_888,
    ("inception_v3", False): 23_834_568,
    ("inception_v3", True): 27_161_264,
}
FAMILIES = {"googlenet": GoogLeNet, "inception_v3": InceptionV3}
NAMES = list(FAMILIES)


def narrow(name, **settings):
    """A network of the family with a few channels in each layer."""
    return create_model(name, **{"num_classes": 7, "width": 0.05} | settings)


def leaf_sizes(outputs):
    return [tuple(logits.shape) for logits in (outputs.logits, *outputs.auxiliary)]


class TestNetworks:
    @pytest.mark.parametrize(("name", "auxiliary"), PARAMETERS)
    def test_numbers_of_parameters(self, name, auxiliary):
        model = create_model(name, auxiliary=auxiliary, device="meta")
        count = sum(parameter.numel() for parameter in model.parameters())
        assert count == PARAMETERS[name, auxiliary]

    def test_the_papers_googlenet_has_larger_kernels_and_biases(self):
        model = GoogLeNet(kernel_size=5, norm=None, device="meta")
        blocks = [part for part in model.modules() if isinstance(part, InceptionV1)]
        assert [block.branch5x5[1].conv.kernel_size for block in blocks] == [(5, 5)] * 9
        assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
        count = sum(parameter.numel() for parameter in model.parameters())
        assert count == 6_998_552  # of Caffe's model, made by the paper's table 1

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("googlenet", {2: 64, 4: 192, 8: 480, 16: 832, 32: 1024}),
            ("inception_v3", {2: 64, 4: 192, 8: 288, 16: 768, 32: 2048}),
        ],
    )
    def test_the_last_stage_of_each_reduction(self, name, expected):
        stages = create_model(name, device="meta").feature_info
        assert {stage.reduction: stage.channels for stage in stages} == expected

    @pytest.mark.parametrize("name", NAMES)
    def test_the_smallest_image(self, name):
        model = narrow(name).eval()
        smallest = model.smallest_size
        assert model(torch.randn(1, 3, smallest, smallest + 9)).shape == (1, 7)
        message = (
            rf"{type(model).__name__} expects images of at least {smallest} x {smallest} pixels, .*, got"
        )
        with pytest.raises(ValueError, match=message):
            model(torch.randn(1, 3, smallest + 9, smallest - 1))
        with pytest.raises(RuntimeError):  # it is the smallest: without the check the layers cannot go on
            model.features(torch.randn(1, 3, smallest + 9, smallest - 1))

    @pytest.mark.parametrize("name", NAMES)
    def test_width_scales_every_number_of_channels(self, name):
        half, whole = (create_model(name, width=width, device="meta") for width in (0.5, 1.0))
        widths = [
            [part.out_channels for part in model.modules() if isinstance(part, ConvNormAct)]
            for model in (half, whole)
        ]
        assert widths[0] == [channels // 2 for channels in widths[1]]
        assert half.head.in_features == whole.head.in_features // 2

    @pytest.mark.parametrize("name", NAMES)
    def test_dropout_is_between_mean_and_head(self, name):
        model = narrow(name, dropout=0.9).train()
        features = torch.ones(1, model.head.in_features, 2, 2)
        model.head.weight.data.fill_(1)
        model.head.bias.data.zero_()
        kept = model.forward_head(features)[0, 0].item() / 10
        assert 0 < kept + 1 < model.head.in_features
        assert model.eval().forward_head(features)[0, 0] == model.head.in_features

    @pytest.mark.parametrize("name", NAMES)
    def test_norm_and_activation_reach_every_layer(self, name):
        model = narrow(name, auxiliary=True, norm=None, activation=nn.SiLU)
        assert not any(isinstance(part, nn.BatchNorm2d | nn.ReLU) for part in model.modules())

    @pytest.mark.parametrize("name", NAMES)
    def test_images_are_transformed_on_request(self, name):
        plain = narrow(name).eval()
        transformed = narrow(name, transform_input=True).eval()
        transformed.load_state_dict(plain.state_dict())
        images = torch.randn(2, 3, plain.example_size, plain.example_size)
        assert torch.equal(transformed(images), plain(TransformInput()(images)))


class TestAuxiliaryHeads:
    @pytest.mark.parametrize(("name", "size", "number"), [("googlenet", 33, 2), ("inception_v3", 299, 1)])
    def test_training_gives_every_heads_logits_and_evaluation_the_last(self, name, size, number):
        model = narrow(name, auxiliary=True)
        images = torch.randn(2, 3, size, size)
        outputs = model(images)
        assert isinstance(outputs, AuxiliaryLogits)
        assert leaf_sizes(outputs) == [(2, 7)] * (1 + number)
        assert len({logits.sum().item() for logits in (outputs.logits, *outputs.auxiliary)}) == 1 + number
        assert model.eval()(images).shape == (2, 7)

    @pytest.mark.parametrize("name", NAMES)
    def test_none_are_there_by_default(self, name):
        model = narrow(name)
        size = model.example_size
        assert model.train()(torch.randn(2, 3, size, size)).shape == (2, 7)
        assert not any("auxiliary" in key for key in model.state_dict())

    @pytest.mark.parametrize("name", NAMES)
    def test_every_parameter_learns(self, name):
        model = narrow(name, auxiliary=True, dropout=0.0)
        outputs = model(torch.randn(4, *model.example_inputs().shape[1:]))
        torch.stack([logits.sin().sum() for logits in (outputs.logits, *outputs.auxiliary)]).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_the_smallest_image_of_inception_v3s_head(self):
        model = narrow("inception_v3", auxiliary=True)
        message = (
            r"InceptionV3's auxiliary heads expect images of at least 299 x 299 pixels, got "
            r"\(2, 3, 299, 298\): train smaller ones with auxiliary=False"
        )
        with pytest.raises(ValueError, match=message):
            model(torch.randn(2, 3, 299, 298))
        assert model.eval()(torch.randn(1, 3, 80, 80)).shape == (1, 7)
        model.smallest_auxiliary_size = 75
        with pytest.raises(RuntimeError):  # without the check the head's layers cannot go on
            model.train()(torch.randn(2, 3, 299, 298))

    def test_the_example_is_large_enough_for_the_heads(self):
        model = narrow("inception_v3", auxiliary=True)
        assert isinstance(model(model.example_inputs()), AuxiliaryLogits)
        assert narrow("inception_v3").example_inputs().shape == (2, 3, 75, 75)

    def test_other_classes_for_every_head(self):
        model = narrow("googlenet", auxiliary=True)
        model.reset_head(4)
        assert leaf_sizes(model(torch.randn(2, 3, 33, 33))) == [(2, 4)] * 3

    def test_fit_trains_them_with_a_criterion_of_the_users(self):
        def criterion(outputs, targets):
            if isinstance(outputs, torch.Tensor):
                return F.cross_entropy(outputs, targets)
            side = sum(F.cross_entropy(logits, targets) for logits in outputs.auxiliary)
            return F.cross_entropy(outputs.logits, targets) + 0.3 * side

        model = narrow("googlenet", auxiliary=True, dropout=0.0, auxiliary_dropout=0.0)
        before = copy.deepcopy(model.auxiliary_heads.state_dict())
        batch = (torch.randn(4, 3, 33, 33), torch.tensor([0, 1, 2, 3]))
        expected = criterion(copy.deepcopy(model)(batch[0]), batch[1]).item()
        settings = {"criterion": criterion, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}
        history = fit(model, [batch], val_loader=[batch], epochs=1, progress=False, **settings)
        assert history["train_loss"] == [pytest.approx(expected)]
        assert history["val_loss"] == [pytest.approx(criterion(model.eval()(batch[0]), batch[1]).item())]
        after = model.auxiliary_heads.state_dict()
        assert not torch.equal(after["inception4a.head.weight"], before["inception4a.head.weight"])

    def test_symbolic_tracing_keeps_them(self):
        model = narrow("googlenet", auxiliary=True, dropout=0.0, auxiliary_dropout=0.0)
        images = torch.randn(2, 3, 33, 33)
        traced = torch.fx.symbolic_trace(copy.deepcopy(model))
        outputs, expected = traced(images), model(images)
        assert torch.equal(outputs[0], expected.logits)
        assert all(map(torch.equal, outputs[1], expected.auxiliary))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"width": 0}, "width must be positive and finite, got 0"),
        ({"width": float("nan")}, "width must be positive and finite, got nan"),
        ({"width": float("inf")}, "width must be positive and finite, got inf"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"in_channels": 1, "transform_input": True}, "in_channels must be 3 for transform_input, got 1"),
    ],
)
def test_settings_that_make_no_network(name, settings, message):
    with pytest.raises(ValueError, match=message):
        narrow(name, **settings)


def test_settings_that_make_no_googlenet():
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        GoogLeNet(kernel_size=4)
    with pytest.raises(ValueError, match=r"auxiliary_dropout must lie in \[0, 1\), got 1.5"):
        GoogLeNet(auxiliary_dropout=1.5)
