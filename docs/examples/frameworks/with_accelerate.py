"""A loop of Accelerate around a network from blocks."""

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

import practicezoo as zoo

accelerator = Accelerator(cpu=True)
zoo.seed_everything(0)
digits, exam = [zoo.synthetic_digits(500, seed=seed) for seed in (0, 1)]
options = {"batch_size": 50, "transform": digits.normalize}
train = zoo.TensorLoader(  # prepare() shards a DataLoader only
    *digits.tensors(),
    shuffle=True,
    seed=0,
    num_replicas=accelerator.num_processes,
    rank=accelerator.process_index,
    **options,
)
test = zoo.TensorLoader(*exam.tensors(), **options)
blocks = nn.Sequential(
    zoo.ConvNormAct(1, 8, 5, stride=2), zoo.ResidualBlock(8, 16)
)
model = zoo.ImageClassifier(blocks)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
model, optimizer = accelerator.prepare(model, optimizer)
for epoch in range(3):
    train.set_epoch(epoch)
    for images, targets in train:
        optimizer.zero_grad()
        accelerator.backward(F.cross_entropy(model(images), targets))
        optimizer.step()
model = accelerator.unwrap_model(model)
print(zoo.evaluate(model, test, metrics={"accuracy": zoo.Accuracy()}))
