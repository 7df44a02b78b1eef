"""Recipes: every system of the course, with its data, network, training and reference result."""

import difflib
import importlib

from practicezoo.recipes.base import DataOptions, Prediction, Recipe, Setting, Splits
from practicezoo.recipes.preflight import check_recipe
from practicezoo.recipes.regression import regress_by_hand
from practicezoo.recipes.reproduce import Reproduced, reproduce
from practicezoo.recipes.runner import TrainResult, load_trained, train_recipe

__all__ = [
    "DataOptions",
    "Prediction",
    "Recipe",
    "Reproduced",
    "Setting",
    "Splits",
    "TrainResult",
    "check_recipe",
    "get_recipe",
    "list_recipes",
    "load_trained",
    "regress_by_hand",
    "reproduce",
    "train_recipe",
]

# In the order of the course: the recipe's name, and its class in the module that has it.
_HOMES = {
    "linear_regression": ("regression", "LinearRegressionRecipe"),
    "logistic_regression": ("regression", "LogisticRegressionRecipe"),
    "diabetes_mlp": ("diabetes", "DiabetesMLP"),
    "mnist_mlp": ("mnist", "MnistMLP"),
    "mnist_cnn": ("mnist", "MnistCNN"),
    "mnist_inception": ("mnist", "MnistInception"),
    "mnist_resnet": ("mnist", "MnistResNet"),
    "mnist_resnet_notes": ("mnist", "MnistResNetNotes"),
    "mnist_fast": ("mnist", "MnistFast"),
    "hello_rnn_cell": ("hello", "HelloRNNCell"),
    "hello_rnn": ("hello", "HelloRNN"),
    "hello_embedding_rnn": ("hello", "HelloEmbeddingRNN"),
    "names_gru": ("names_gru", "NamesGRU"),
}


def list_recipes() -> list[str]:
    """The names of all recipes, in the order of the course.

    Example:
        >>> "names_gru" in list_recipes()
        True
    """
    return list(_HOMES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: if there is none; the message lists near matches.

    Example:
        >>> get_recipe("names_gru").settings["course"].batch_size
        256
    """
    if name not in _HOMES:
        near = difflib.get_close_matches(name, _HOMES, n=3, cutoff=0.4) or list(_HOMES)
        raise ValueError(f"recipe must be one that `list` shows, got {name!r}; near: {', '.join(near)}")
    module, class_name = _HOMES[name]
    recipe: type[Recipe] = getattr(importlib.import_module(f"practicezoo.recipes.{module}"), class_name)
    return recipe()
