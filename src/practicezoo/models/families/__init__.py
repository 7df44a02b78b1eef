"""Families of networks from papers, as torchvision has them where it does, and their names."""

from practicezoo.models.families.densenet import DenseNet
from practicezoo.models.families.resnet import ResNet

__all__ = ["DenseNet", "ResNet"]
