"""
Padding equals packing
======================

Names of different lengths in one batch: the answer for a name depends on that
name alone, padded or packed.
"""

import torch
from matplotlib.figure import Figure

from practicezoo import PaddedSequence, create_model, load

predictor = load("names_gru")
for name in ("Yamamoto", "Rossi"):
    print(predictor(name))

# %%
# The same network, on a batch of ids that was filled up with zeros:
names = ["Yamamoto", "Rossi", "Li"]
model = create_model("names_gru", weights="default").eval()
ids = [torch.tensor([ord(letter) for letter in name]) for name in names]
lengths = torch.tensor([len(name) for name in names])
data = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
padded = PaddedSequence(data, lengths)
print(data)

# %%
# Padded, packed, and each name alone:
with torch.no_grad():
    from_padded = model(padded)
    from_packed = model(padded.pack())
    alone = torch.cat([model(name[None]) for name in ids])
print(torch.allclose(from_padded, from_packed, atol=1e-6))
print(torch.allclose(from_padded, alone, atol=1e-6))

# %%
# The encoder's outputs at every step. Behind a name's last letter there is
# nothing: not computed, zero.
with torch.no_grad():
    embedded = PaddedSequence(model.embedding(data), lengths)
    outputs = model.encoder(embedded).outputs.data
figure = Figure(figsize=(7, 3.6), layout="constrained")
for ax, name, steps in zip(figure.subplots(3, 1), names, outputs):
    shown = steps[:, :40].T.numpy()
    ax.imshow(
        shown,
        cmap="RdBu",
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    ax.set_xticks(range(data.shape[1]), name.ljust(data.shape[1], "·"))
    ax.set_yticks([])
figure.supylabel("first 40 features")
figure
