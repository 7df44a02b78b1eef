import torch
from torch import nn

from practicezoo import ImageClassifier, InceptionA

block = InceptionA(3, activation=nn.ReLU)
features = nn.Sequential(block, nn.MaxPool2d(4))
model = ImageClassifier(features, in_channels=3, image_size=32)
print(block.out_channels, model(torch.randn(2, 3, 32, 32)).shape)
