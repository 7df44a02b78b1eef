import torch
from torch import nn

from practicezoo import ImageClassifier, InceptionA, InceptionB

wide = InceptionA(3, norm=nn.BatchNorm2d, activation=nn.ReLU)
half = InceptionB(wide.out_channels, branch3x3=64)
features = nn.Sequential(wide, half)
model = ImageClassifier(features, in_channels=3, image_size=None)
print(half.out_channels, model(torch.randn(2, 3, 33, 33)).shape)
