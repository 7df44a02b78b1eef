"""Recipes by name; the module of one is imported when it is asked for."""

import importlib

from practicezoo.arguments import near_matches
from practicezoo.recipes.recipe import Recipe

__all__ = ["get_recipe", "list_recipes"]

# In the order of the course: the recipe's name, and its class in the module that has it.
HOMES = {
    "linear_regression": ("regression", "LinearRegressionRecipe"),
    "logistic_regression": ("regression", "LogisticRegressionRecipe"),
    "diabetes_mlp": ("diabetes", "DiabetesMLP"),
    "mnist_mlp": ("mnist", "MnistMLP"),
    "mnist_cnn": ("mnist", "MnistCNN"),
    "mnist_inception": ("mnist", "MnistInception"),
    "mnist_resnet": ("mnist", "MnistResNet"),
    "mnist_resnet_notes": ("mnist", "MnistResNetNotes"),
    "mnist_fast": ("mnist", "MnistFast"),
    "mnist_tiny": ("mnist", "MnistTiny"),
    "cifar10_resnet20": ("cifar10", "Cifar10ResNet20"),
    "cifar10_resnet56": ("cifar10", "Cifar10ResNet56"),
    "hello_rnn_cell": ("hello", "HelloRNNCell"),
    "hello_rnn": ("hello", "HelloRNN"),
    "hello_embedding_rnn": ("hello", "HelloEmbeddingRNN"),
    "names_gru": ("names_gru", "NamesGRU"),
    "mnist1d_mlp": ("mnist1d", "Mnist1DMLP"),
    "mnist1d_cnn": ("mnist1d", "Mnist1DCNN"),
    "mnist1d_gru": ("mnist1d", "Mnist1DGRU"),
    "mnist1d_tcn": ("mnist1d", "Mnist1DTCN"),
}


def list_recipes() -> list[str]:
    """The names of all recipes, in the order of the course.

    Example:
        >>> "names_gru" in list_recipes()
        True
    """
    return list(HOMES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: if there is none; the message lists near matches.

    Example:
        >>> get_recipe("names_gru").settings["course"].batch_size
        256
    """
    if name not in HOMES:
        near = near_matches(name, HOMES, cutoff=0.4) or list(HOMES)
        raise ValueError(f"recipe must be one that `list` shows, got {name!r}; near: {', '.join(near)}")
    module, class_name = HOMES[name]
    home = importlib.import_module(f"practicezoo.recipes.systems.{module}")
    recipe: type[Recipe] = getattr(home, class_name)
    return recipe()
