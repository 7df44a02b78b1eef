"""What recipes that classify images share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.data import TensorLoader
from practicezoo.data.images import ImageTensors
from practicezoo.predictors import ImageInput
from practicezoo.recipes.recipe import Recipe, Setting, Splits
from practicezoo.runtime.device import device_of
from practicezoo.training import Accuracy, evaluate

__all__ = ["SYNTHETIC", "ImageRecipe", "bf16_is_fast", "splits_of"]

SYNTHETIC = "synthetic"


class ImageRecipe(Recipe):
    """Trains a registered model to classify images; a subclass reads them, as whole tensors of uint8."""

    sample = "image files"

    def model_config(self, splits: Splits) -> dict[str, Any]:
        """As many classes as the data has."""
        return {"num_classes": len(splits.classes)}

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """The registered model, its images channel by channel at each pixel: convolutions are faster so."""
        return super().build(config).to(memory_format=torch.channels_last)

    def setting_for(self, splits: Splits, name: str) -> Setting:
        """float32 where convolutions in bfloat16 would be emulated."""
        setting = super().setting_for(splits, name)
        emulated = setting.precision == "bf16" and not bf16_is_fast()
        return dataclasses.replace(setting, precision="fp32") if emulated else setting

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """Accuracy on the test images."""
        loader = TensorLoader(
            *splits.test,
            batch_size=1000,
            device=device_of(model),
            transform=splits.transform,
            num_replicas=1,
        )
        return evaluate(model, loader, metrics={"test_accuracy": Accuracy()})

    def preprocessing(self, splits: Splits) -> ImageInput:
        """Images of the training data's size and channels."""
        images = splits.train[0]
        assert isinstance(images, Tensor)  # noqa: S101  # see splits_of
        return ImageInput(size=images.shape[-1], channels=images.shape[1], **splits.saved)


def splits_of(source: str, train: ImageTensors, test: ImageTensors) -> Splits:
    """Whole tensors of uint8 images, normalised batch by batch as the training images need it."""
    return Splits(
        source=source,
        train=train.tensors(),
        test=test.tensors(),
        classes=[label.partition(" - ")[0] for label in train.classes],  # "7" for "7 - seven"
        transform=train.normalize,
        saved={"mean": train.mean, "std": train.std},
    )


def bf16_is_fast() -> bool:
    """Whether torch has its fast bfloat16 convolutions here: on a GPU, or through oneDNN on the CPU."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001
