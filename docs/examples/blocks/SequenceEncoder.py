import torch

from practicezoo import PaddedSequence, SequenceEncoder

encoder = SequenceEncoder(3, 4, bidirectional=True)
batch = PaddedSequence(torch.randn(2, 5, 3), lengths=torch.tensor([5, 2]))
state = encoder(batch).final_state
alone = encoder(batch.data[1:, :2]).final_state
print(state.shape, torch.allclose(state[1:], alone))
