"""Watch a run from before its first update to its last mistake."""

import torch
from torch import nn

from practicezoo import (
    Accuracy,
    CharGRUClassifier,
    NameDataset,
    TensorLoader,
    evaluate,
    fit,
    predict,
)
from practicezoo.plotting import plot_confusion_matrix, plot_most_wrong
from practicezoo.training import CSVLogger, WeightAveraging, find_learning_rate

torch.manual_seed(0)
train, test = NameDataset.mini("train"), NameDataset.mini("test")
train_loader = TensorLoader(*train.tensors(), batch_size=32, shuffle=True)
test_loader = TensorLoader(*test.tensors(), batch_size=512)
test_targets = test.tensors()[1]

model = CharGRUClassifier(
    num_chars=len(train.vocab), num_classes=len(train.classes)
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())

# before: which learning rate? Nothing has changed afterwards.
curve = find_learning_rate(
    model, train_loader, criterion=criterion, optimizer=optimizer
)
curve.plot().figure.savefig("learning_rate.png", dpi=150)
optimizer.param_groups[0]["lr"] = curve.suggestion

# meanwhile: a table that survives a crash, and the average of the weights
averaging = WeightAveraging(model, decay=0.99)
history = fit(
    model,
    train_loader,
    criterion=criterion,
    optimizer=optimizer,
    epochs=10,
    val_loader=test_loader,
    metrics={"accuracy": Accuracy()},
    callbacks=[CSVLogger("history.csv"), averaging],
)
metrics = {"accuracy": Accuracy()}
averaged = evaluate(
    averaging.averaged, test_loader, criterion=criterion, metrics=metrics
)
last = history.last()
print(f"learning rate {curve.suggestion:.2g}")
print(
    f"last weights:     loss {last['val_loss']:.3f}, "
    f"accuracy {last['val_accuracy']:.3f}"
)
print(
    f"averaged weights: loss {averaged['loss']:.3f}, "
    f"accuracy {averaged['accuracy']:.3f}"
)

# afterwards: what is taken for what, and where is the model most wrong?
logits = predict(averaging.averaged, test_loader)
ax = plot_confusion_matrix(logits, test_targets, classes=test.classes)
ax.figure.savefig("confusion.png", dpi=150)
ax = plot_most_wrong(logits, test_targets, test.names, classes=test.classes)
ax.figure.savefig("most_wrong.png", dpi=150)
