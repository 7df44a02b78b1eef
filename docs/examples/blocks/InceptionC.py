import torch
from torch import nn

from practicezoo import ConvNormAct, ImageClassifier, InceptionC

stem = ConvNormAct(3, 32, 3, stride=2, norm=nn.BatchNorm2d)
mixed = InceptionC.v3(32, channels_7x7=16)
features = nn.Sequential(stem, mixed)
model = ImageClassifier(features, in_channels=3, image_size=None)
print(mixed.out_channels, model(torch.randn(2, 3, 32, 48)).shape)
