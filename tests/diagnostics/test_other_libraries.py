"""Networks of torchvision and timm have no finding."""

import warnings

import pytest
import torch
from torch import nn
from torch.optim import SGD

from practicezoo.diagnostics import check

# name: side of the images
TORCHVISION = {
    **dict.fromkeys(("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121"), 64),
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5"), 64),
    **dict.fromkeys(("shufflenet_v2_x0_5", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf"), 64),
    **dict.fromkeys(("squeezenet1_1", "alexnet", "vgg11_bn", "convnext_tiny", "swin_t"), 64),
}
TIMM = {
    **dict.fromkeys(
        ("resnet18d", "resnet26t", "resnest14d", "seresnet18", "skresnet18", "res2net50_26w_4s"), 64
    ),
    **dict.fromkeys(("efficientnet_lite0", "mobilenetv3_small_050", "ghostnet_050", "tinynet_e"), 64),
    **dict.fromkeys(("convnext_atto", "edgenext_xx_small", "fastvit_t8", "repvgg_a0", "hardcorenas_a"), 64),
    **dict.fromkeys(("regnetx_002", "dla46_c", "cspresnet50", "poolformer_s12", "mobilevit_xxs"), 64),
    **dict.fromkeys(("vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s16_224"), 224),
}


def findings(model, side):
    torch.manual_seed(0)
    batch = torch.randn(8, 3, side, side), torch.arange(8) % 10
    optimizer = SGD(model.parameters(), lr=0.01)
    with warnings.catch_warnings(action="ignore"):  # of networks too large to be tried
        return check(model, [batch], criterion=nn.CrossEntropyLoss(), optimizer=optimizer)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), TORCHVISION.items(), ids=TORCHVISION)
def test_networks_of_torchvision_have_no_finding(name, side):
    models = pytest.importorskip("torchvision.models", reason="needs torchvision")
    torch.manual_seed(0)
    assert findings(models.get_model(name, num_classes=10), side) == []


@pytest.mark.slow
def test_a_vision_transformer_of_torchvision_has_no_finding():
    models = pytest.importorskip("torchvision.models", reason="needs torchvision")
    torch.manual_seed(0)
    sizes = {"num_layers": 3, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 64}
    assert findings(models.VisionTransformer(32, 8, num_classes=10, **sizes), 32) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), TIMM.items(), ids=TIMM)
def test_networks_of_timm_have_no_finding(name, side):
    with warnings.catch_warnings(action="ignore"):  # of old names, at its import
        timm = pytest.importorskip("timm", reason="needs timm")
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=10)
    assert findings(model, side) == []
