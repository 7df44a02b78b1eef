"""Families of networks from papers, as torchvision has them where it does, and their names."""

from practicezoo.models.families.auxiliary import AuxiliaryLogits
from practicezoo.models.families.densenet import DenseNet
from practicezoo.models.families.googlenet import GoogLeNet
from practicezoo.models.families.inception_v3 import InceptionV3
from practicezoo.models.families.resnet import ResNet
from practicezoo.models.families.transform_input import TransformInput

__all__ = ["AuxiliaryLogits", "DenseNet", "GoogLeNet", "InceptionV3", "ResNet", "TransformInput"]
