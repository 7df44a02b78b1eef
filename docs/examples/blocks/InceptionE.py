import torch
from torch import nn

from practicezoo import ConvNormAct, ImageClassifier, InceptionE

stem = ConvNormAct(1, 16, 3, stride=2, norm=nn.BatchNorm2d)
last = InceptionE(16, branch1x1=32, branch3x3=(16, 24, 24))
model = ImageClassifier(nn.Sequential(stem, last), image_size=None)
print(last.out_channels, model(torch.randn(2, 1, 28, 28)).shape)
