import torch
from torch import nn

from practicezoo import BottleneckBlock, ImageClassifier

features = nn.Sequential(
    BottleneckBlock(3, 64, stride=2, norm=nn.BatchNorm2d),
    BottleneckBlock(64, 128, stride=2, groups=4, norm=nn.BatchNorm2d),
    nn.AdaptiveAvgPool2d(1),
)
model = ImageClassifier(features, in_channels=3, image_size=32)
print(model(torch.randn(2, 3, 32, 32)).shape)
