"""Families of networks from papers, as torchvision has them where it does, and their names."""

from practicezoo.models.families.resnet import ResNet

__all__ = ["ResNet"]
