import torch
from torch import nn

from practicezoo import ImageClassifier, InceptionC, InceptionD

mixed = InceptionC.v3(3, channels_7x7=16)
half = InceptionD(mixed.out_channels, branch7x7x3=(16, 16, 16, 32))
model = ImageClassifier(
    nn.Sequential(mixed, half), in_channels=3, image_size=None
)
print(half.out_channels, model(torch.randn(2, 3, 17, 17)).shape)
