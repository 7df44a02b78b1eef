"""Images as some of torchvision's trained networks expect them."""

from torch import Tensor, cat, nn

from practicezoo.blocks.checks import check_shape

__all__ = ["MEANS", "TransformInput"]

MEANS, STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which torchvision normalises with
CENTER = 0.5  # mean and standard deviation that the networks' trainers normalised with


class TransformInput(nn.Module):
    """Renormalises images from ImageNet's means and standard deviations to 0.5 and 0.5 in each channel.

    GoogLeNet and Inception v3 were trained on values from -1 to 1, while torchvision's transforms of their
    weights normalise as for all its networks. This is the step between, ``transform_input`` there and here.
    It has no parameters.

    Shape:
        - input: ``(N, 3, H, W)``
        - output: the same

    Raises:
        ValueError: if the images have another shape.

    Example:
        >>> import torch
        >>> white = (1 - torch.tensor(MEANS)) / torch.tensor(STDS)
        >>> TransformInput()(white.view(1, 3, 1, 1)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Renormalise; see the class for shapes."""
        check_shape(self, images, ("N", 3, "H", "W"), noun="images")
        # plain numbers, as in torchvision: buffers would be rounded to the parameters' type
        channels = [
            images[:, place : place + 1] * (std / CENTER) + (mean - CENTER) / CENTER
            for place, (mean, std) in enumerate(zip(MEANS, STDS, strict=True))
        ]
        return cat(channels, dim=1)
