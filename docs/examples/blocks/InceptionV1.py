import torch
from torch import nn

from practicezoo import ImageClassifier, InceptionV1

first = InceptionV1(3)
second = InceptionV1(first.out_channels, kernel_size=5)
features = nn.Sequential(first, nn.MaxPool2d(2), second)
model = ImageClassifier(features, in_channels=3, image_size=None)
print(second.out_channels, model(torch.randn(2, 3, 32, 32)).shape)
