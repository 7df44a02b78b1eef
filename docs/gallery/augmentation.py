"""
Augmentation: each image another way
====================================

Rotated, sheared, scaled, shifted and bent at random, a whole batch at a time,
each image by itself.
"""

import torch
from matplotlib.figure import Figure

from practicezoo import seed_everything, synthetic_digits
from practicezoo.data import RandomShift, RandomWarp

seed_everything(0)
digits = synthetic_digits(10, seed=3)
images = digits.images[digits.targets.argsort()]
ways = {
    "as drawn": images,
    "RandomShift(3)": RandomShift(3)(images),
    "RandomWarp(degrees=20)": RandomWarp(degrees=20)(images),
    "RandomWarp(scale=0.3)": RandomWarp(scale=0.3)(images),
    "all of RandomWarp": RandomWarp(degrees=15, scale=0.15)(images),
}
figure = Figure(figsize=(8, 4.8), layout="constrained")
for ax, (name, batch) in zip(figure.subplots(len(ways), 1), ways.items()):
    row = torch.cat(list(batch[:, 0]), dim=1)
    ax.imshow(row.numpy(), cmap="gray")
    ax.set_title(name, fontsize=9, loc="left")
    ax.set_axis_off()
figure

# %%
# In a loader it is the transform, so that every epoch sees other images:
from torchvision.transforms import v2

from practicezoo import TensorLoader

augment = v2.Compose([RandomWarp(degrees=10, scale=0.1), digits.normalize])
loader = TensorLoader(
    *digits.tensors(), batch_size=5, shuffle=True, transform=augment
)
inputs, targets = next(iter(loader))
print(inputs.shape, inputs.dtype, targets.tolist())
