import torch
from torch import nn

from practicezoo import ImageClassifier, ResidualBlock

blocks = [ResidualBlock(1, 16, stride=2), ResidualBlock(16, 32, stride=2)]
model = ImageClassifier(nn.Sequential(*blocks), num_classes=5)
print(model(torch.randn(2, 1, 28, 28)).shape)
