"""
Activations of a trained network
================================

What the stages of a network make of an image, read without changing the
network.
"""

from matplotlib.figure import Figure

from practicezoo import create_model, feature_maps, synthetic_digits

model = create_model("mnist_cnn", weights="default").eval()
digits = synthetic_digits(10, seed=0)
images = digits.normalize(digits.images[:1])
maps = feature_maps(model, images, ["features.0", "features.1"])
for name, features in maps.items():
    print(name, tuple(features.shape))

# %%
# The image, and the ten maps of the first stage; bright is where a channel
# fires:
figure = Figure(figsize=(6, 4.5), layout="constrained")
axes = figure.subplots(3, 4).flatten()
axes[0].imshow(digits.images[0, 0].numpy(), cmap="gray")
for ax, channel in zip(axes[1:], maps["features.0"][0].detach()):
    ax.imshow(channel.numpy(), cmap="viridis")
for ax in axes:
    ax.set_axis_off()
figure
