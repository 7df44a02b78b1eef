import torch
from torch import nn

from practicezoo import DenseBlock, Transition

dense = DenseBlock(16, 8, 4)
halved = Transition(dense.out_channels, dense.out_channels // 2)
features = nn.Sequential(dense, halved)
print(dense.out_channels, features(torch.randn(2, 16, 8, 8)).shape)
