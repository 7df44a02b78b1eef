"""Names of varying length in skorch, which calls forward by keyword."""

import torch
from skorch import NeuralNetClassifier
from torch import nn

import practicezoo as zoo


def collate(batch):
    padded, targets = zoo.pad_collate(batch)
    return {"inputs": padded.data, "lengths": padded.lengths}, targets


zoo.seed_everything(0)
train, test = [zoo.NameDataset.mini(split) for split in ("train", "test")]
net = NeuralNetClassifier(
    zoo.CharGRUClassifier,
    module__num_classes=len(train.classes),
    module__hidden_size=32,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    optimizer__lr=5e-3,
    max_epochs=4,
    batch_size=64,
    train_split=None,
    iterator_train__shuffle=True,
    iterator_train__collate_fn=collate,
    iterator_valid__collate_fn=collate,
    verbose=0,
)
net.fit(train, y=None)
_, targets = test.tensors()
right = torch.as_tensor(net.predict(test)) == targets
print(f"accuracy {right.double().mean():.2f}")
