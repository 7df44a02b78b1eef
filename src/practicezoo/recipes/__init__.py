"""Recipes: every system of the course, with its data, network, training and reference result."""

from practicezoo.predictors import Prediction
from practicezoo.recipes.preflight import check_recipe
from practicezoo.recipes.recipe import DataOptions, Distillation, Recipe, Setting, Splits
from practicezoo.recipes.registry import get_recipe, list_recipes
from practicezoo.recipes.reproduce import Reproduced, reproduce
from practicezoo.recipes.systems.regression import regress_by_hand
from practicezoo.recipes.train import TrainResult, train_recipe
from practicezoo.recipes.trained import load_trained

__all__ = [
    "DataOptions",
    "Distillation",
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
