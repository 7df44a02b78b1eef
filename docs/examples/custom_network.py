"""A network of your own from blocks: which names are Japanese?"""

from torch import nn, optim

from practicezoo import (
    Accuracy,
    NameDataset,
    SequenceEncoder,
    TensorLoader,
    evaluate,
    fit,
    seed_everything,
)


class IsJapanese(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(128, 16, padding_idx=0)
        self.encoder = SequenceEncoder(16, 32, cell="lstm", bidirectional=True)
        self.head = nn.Linear(self.encoder.out_features, 2)

    def forward(self, names):  # a PaddedSequence of ids
        features = names._replace(data=self.embedding(names.data))
        return self.head(self.encoder(features).final_state)


def loader(split, **options):
    dataset = NameDataset.mini(split)
    names, targets = dataset.tensors()
    is_japanese = (targets == dataset.class_to_idx["Japanese"]).long()
    return TensorLoader(names, is_japanese, batch_size=64, **options)


seed_everything(0)
model = IsJapanese()
fit(
    model,
    loader("train", shuffle=True),
    criterion=nn.CrossEntropyLoss(),
    optimizer=optim.Adam(model.parameters(), lr=3e-3),
    epochs=10,
)
print(evaluate(model, loader("test"), metrics={"accuracy": Accuracy()}))
