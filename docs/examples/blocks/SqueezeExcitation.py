import torch
from torch import nn

from practicezoo import ImageClassifier, ResidualBlock, SqueezeExcitation

block = ResidualBlock(1, 32, stride=2, norm=nn.BatchNorm2d)
block.residual.append(SqueezeExcitation(32))
model = ImageClassifier(nn.Sequential(block, nn.MaxPool2d(2)))
print(model(torch.randn(2, 1, 28, 28)).shape)
