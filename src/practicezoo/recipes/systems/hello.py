"""hello to ohlol: a network that learns to spell one word, character by character."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from practicezoo.predictors import LetterInput, Predictor
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits

__all__ = ["HelloEmbeddingRNN", "HelloRNN", "HelloRNNCell"]

ALPHABET = "ehlo"
WORD, ANSWER = "hello", "ohlol"
SHARPNESS = 5


def sharp_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of logits that a tanh holds between -1 and 1: sharpened, they can become sure."""
    return F.cross_entropy(SHARPNESS * logits, targets)


def adam(lr: float) -> Setting:
    """The course's training, the loss summed over the characters."""
    criterion = partial(nn.CrossEntropyLoss, reduction="sum")
    return Setting(epochs=15, batch_size=1, optimizer=partial(Adam, lr=lr), criterion=criterion)


SHARP = Setting(
    epochs=15, batch_size=1, optimizer=partial(Adam, lr=0.05), criterion=lambda: sharp_cross_entropy
)


class _HelloRecipe(Recipe):
    """Trains the registered tagger of the recipe's name on one word."""

    data = f"the word {WORD!r}"
    sample = f"words of the letters {', '.join(ALPHABET)}"
    reference = f"{ANSWER!r} after 15 epochs"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"accuracy": (1, 1)}
    quick = True

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # nothing to choose
        """The word as ids, and what to answer."""
        encode = LetterInput(ALPHABET)
        word = encode(WORD).data, encode(ANSWER).data
        return Splits(source=WORD, train=word, test=word, classes=list(ALPHABET))

    def model_config(self, splits: Splits) -> dict[str, Any]:
        """As many characters as the alphabet has."""
        return {"num_chars": len(splits.classes), "num_classes": len(splits.classes)}

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """What the network answers, and the fraction of its characters that are right."""
        answer = Predictor(model, preprocess=self.preprocessing(splits), classes=splits.classes)(WORD).label
        right = [ours == theirs for ours, theirs in zip(answer, ANSWER, strict=True)]
        return {"prediction": answer, "accuracy": sum(right) / len(right)}

    def preprocessing(self, splits: Splits) -> LetterInput:
        """A word as its letters' places in the alphabet."""
        return LetterInput(ALPHABET)


class HelloRNNCell(_HelloRecipe):
    """A cell walked over the word by hand."""

    name = "hello_rnn_cell"
    summary = "hello to ohlol: an RNN cell, one step at a time"
    course_seed = 2  # without a head, 28 of 40 starts get there
    settings: ClassVar[Mapping[str, Setting]] = {"course": adam(0.1), "tuned": SHARP}


class HelloRNN(_HelloRecipe):
    """One recurrent layer over one-hot characters, its hidden state the logits."""

    name = "hello_rnn"
    summary = "hello to ohlol: an RNN layer over one-hot characters"
    course_seed = 2  # without a head, 25 of 40 starts get there
    settings: ClassVar[Mapping[str, Setting]] = {"course": adam(0.05), "tuned": SHARP}


class HelloEmbeddingRNN(_HelloRecipe):
    """Embedding, two recurrent layers, a linear head."""

    name = "hello_embedding_rnn"
    summary = "hello to ohlol: embedding, two RNN layers, linear head"
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": adam(0.05),
        "notes": adam(0.01),
        "tuned": adam(0.05),
    }
