"""fastai's Learner around a network from blocks."""

import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import practicezoo as zoo

zoo.seed_everything(0)
digits, exam = [zoo.synthetic_digits(500, seed=seed) for seed in (0, 1)]
train, test = [
    TensorDataset(digits.normalize(part.images), part.targets)
    for part in (digits, exam)
]
loaders = DataLoaders(
    DataLoader(train, batch_size=50, shuffle=True),
    DataLoader(test, batch_size=50),
    device=torch.device("cpu"),
)
blocks = nn.Sequential(
    zoo.ConvNormAct(1, 8, 5, stride=2), zoo.ResidualBlock(8, 16)
)
model = zoo.ImageClassifier(blocks)
learner = Learner(loaders, model, loss_func=nn.CrossEntropyLoss())
with learner.no_logging():
    learner.fit(3, lr=3e-3)
accuracy = {"accuracy": zoo.Accuracy()}
print(zoo.evaluate(learner.model, loaders.valid, metrics=accuracy))
