"""Ignite's engine around a network from blocks."""

import torch
from ignite.engine import (
    create_supervised_evaluator,
    create_supervised_trainer,
)
from ignite.metrics import Accuracy
from torch import nn

import practicezoo as zoo

zoo.seed_everything(0)
digits, exam = [zoo.synthetic_digits(500, seed=seed) for seed in (0, 1)]
options = {"batch_size": 50, "transform": digits.normalize}
train = zoo.TensorLoader(*digits.tensors(), shuffle=True, **options)
test = zoo.TensorLoader(*exam.tensors(), **options)
blocks = nn.Sequential(
    zoo.ConvNormAct(1, 8, 5, stride=2), zoo.ResidualBlock(8, 16)
)
model = zoo.ImageClassifier(blocks)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
trainer.run(train, max_epochs=3)
evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy()})
print(evaluator.run(test).metrics)
