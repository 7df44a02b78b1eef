"""Blocks inside a Lightning module."""

import lightning
import torch
from torch import nn
from torch.nn import functional as F

import practicezoo as zoo


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        blocks = nn.Sequential(
            zoo.ConvNormAct(1, 8, 5, stride=2), zoo.ResidualBlock(8, 16)
        )
        self.model = zoo.ImageClassifier(blocks)

    def training_step(self, batch, _):
        images, targets = batch
        return F.cross_entropy(self.model(images), targets)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


lightning.seed_everything(0, verbose=False)
digits, exam = [zoo.synthetic_digits(500, seed=seed) for seed in (0, 1)]
options = {"batch_size": 50, "transform": digits.normalize}
train = zoo.TensorLoader(*digits.tensors(), shuffle=True, **options)
test = zoo.TensorLoader(*exam.tensors(), **options)
module = Digits()
trainer = lightning.Trainer(
    max_epochs=3,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, train)
print(zoo.evaluate(module.model, test, metrics={"accuracy": zoo.Accuracy()}))
