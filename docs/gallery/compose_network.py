"""
Network composed from blocks
============================

Blocks go wherever a layer of ``torch.nn`` goes; the picture of the result is
drawn from what its forward pass calls.
"""

import torch
from torch import nn

from practicezoo import ConvNormAct, ImageClassifier, InceptionA, ResidualBlock
from practicezoo.plotting import draw_block

features = nn.Sequential(
    ConvNormAct(3, 16, 3, norm=nn.BatchNorm2d),
    nn.MaxPool2d(2),
    InceptionA(16, activation=nn.ReLU),
    ResidualBlock(88, 32, stride=2, norm=nn.BatchNorm2d),
    nn.AvgPool2d(8),
)
model = ImageClassifier(features, in_channels=3, image_size=32)
print(model(torch.randn(2, 3, 32, 32)).shape)

# %%
# With ``depth=0`` each block is one box:
draw_block(model, (1, 3, 32, 32), depth=0)

# sphinx_gallery_thumbnail_number = 2

# %%
# Without it every layer is, branches side by side:
draw_block(InceptionA(16, activation=nn.ReLU), (1, 16, 16, 16))

# %%
# Any module can be drawn, your own too. Here two branches are added, one of
# them halved:


class TwoWays(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 5, padding=2)
        self.narrow = nn.Conv2d(channels, channels, 1)

    def forward(self, images):
        return torch.relu(self.wide(images) + 0.5 * self.narrow(images))


draw_block(TwoWays(8), (1, 8, 16, 16))
