"""
Digits with trained weights, and their mistakes
===============================================

A network that learned MNIST reads digits that the library draws: another
hand, so it errs.
"""

from practicezoo import TensorLoader, load, predict, synthetic_digits
from practicezoo.plotting import plot_confusion_matrix, plot_most_wrong

predictor = load("mnist_cnn")
digits = synthetic_digits(1000, seed=7)
print(predictor(digits.images[0]), "- drawn was", digits.targets[0].item())

# %%
# All of them at once, through the network itself:
loader = TensorLoader(
    *digits.tensors(), batch_size=250, transform=digits.normalize
)
logits = predict(predictor.model, loader)
right = logits.argmax(dim=1) == digits.targets
print(f"accuracy {right.float().mean():.3f}")

# %%
# Which digit is taken for which:
plot_confusion_matrix(logits, digits.targets)

# %%
# The mistakes in which the true digit got the least probability:
plot_most_wrong(logits, digits.targets, digits.images)
