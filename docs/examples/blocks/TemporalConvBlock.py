import torch
from torch import nn

from practicezoo import PaddedSequence, SequenceClassifier, TemporalConvBlock

blocks = [TemporalConvBlock(3, 16), TemporalConvBlock(16, dilation=2)]
model = SequenceClassifier(nn.Sequential(*blocks), in_channels=3).eval()
batch = PaddedSequence(torch.randn(2, 9, 3), lengths=torch.tensor([9, 5]))
alone = model(batch.data[1:, :5])
print(model(batch).shape, torch.allclose(model(batch)[1:], alone, atol=1e-6))
