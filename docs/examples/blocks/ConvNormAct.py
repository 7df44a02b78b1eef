import torch
from torch import nn

from practicezoo import ConvNormAct

stem = nn.Sequential(
    ConvNormAct(3, 16, 3, stride=2, norm=nn.BatchNorm2d),
    ConvNormAct(16, 32, 3, padding=1, norm=nn.BatchNorm2d, activation=nn.GELU),
)
print(stem(torch.randn(2, 3, 32, 32)).shape)
