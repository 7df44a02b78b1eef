import torch
from torch import nn

from practicezoo import DenseBlock, Transition

features = nn.Sequential(
    DenseBlock(16, 8, 2), Transition(32, 16), DenseBlock(16, 8, 2)
)
print(features(torch.randn(2, 16, 8, 8)).shape)
