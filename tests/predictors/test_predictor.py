"""A predictor's answers: classes, numbers, one label a character; one sample, lists and batches."""

import pytest
import torch
from torch import nn

from practicezoo import MLP, CharTagger, Prediction, Predictor, load, recipes
from practicezoo.predictors import LetterInput, RowInput


class Fixed(nn.Module):
    """Gives each row the same output."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(torch.tensor(output))

    def forward(self, rows):
        return self.output.expand(len(rows), *self.output.shape)


def fixed(output, **arguments):
    return Predictor(Fixed(output), preprocess=RowInput(1), **arguments)


def test_the_documented_name_is_the_same_class():
    assert recipes.Prediction is Prediction


def test_classes_are_ranked_by_probability():
    prediction = fixed([0.0, 2.0, 1.0], classes=["a", "b", "c"])(5, top=2)
    assert [label for label, _ in prediction.ranking] == ["b", "c"]
    assert prediction.label == "b"
    assert prediction.probability == pytest.approx(0.6652, abs=1e-4)
    assert str(prediction) == "5: b 66.5 %, c 24.5 %"


def test_one_logit_is_that_of_the_second_class():
    prediction = fixed([1.0], classes=["no", "yes"])(5)
    assert dict(prediction.ranking) == pytest.approx({"yes": 0.7311, "no": 0.2689}, abs=1e-4)


def test_a_regression_gives_a_value():
    assert fixed([2.5])(5).value == 2.5
    assert str(fixed([2.5])(5)) == "5: 2.5000"
    assert fixed([2.5, 1.0])(5).value == [2.5, 1.0]
    assert fixed([2.5])(5).probability is None


def test_a_tagger_gives_one_label_a_character():
    tagger = Predictor(CharTagger(), preprocess=LetterInput("ehlo"), classes=[*"ehlo"])
    short, long = tagger(["he", "hello"])
    assert (len(short.label), len(long.label)) == (2, 5)
    assert short == tagger("he")


def test_a_temperature_divides_the_logits():
    cold = fixed([0.0, 2.0], classes=["a", "b"])(5).probability
    assert fixed([0.0, 2.0], classes=["a", "b"], temperature=2.0)(5).probability < cold


def test_a_list_gives_a_list_in_its_order_and_an_empty_one_an_empty_one():
    predictor = Predictor(MLP([1, 4, 2]), preprocess=RowInput(1), classes=["a", "b"])
    rows = [[float(number)] for number in range(3000)]  # more than a batch
    together = predictor(rows)
    assert [prediction.sample for prediction in together] == [f"{number:g}" for number in range(3000)]
    assert together[2500].probability == pytest.approx(predictor(rows[2500]).probability, abs=1e-6)
    assert predictor([]) == []
    assert isinstance(predictor([1.0]), Prediction)


def test_what_was_done_to_a_sample_is_told():
    picture = torch.full((56, 56), 255, dtype=torch.uint8)
    picture[16:40, 26:30] = 0
    prediction = load("mnist_cnn")(picture, top=1)
    assert prediction.label == "1"
    assert prediction.notes == ("inverted", "resized from 56x56")
    assert str(prediction).endswith("% (inverted, resized from 56x56)")
    assert prediction.as_dict()["notes"] == ("inverted", "resized from 56x56")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["a", "a"]}, r"classes must not repeat, got \['a', 'a'\]"),
        ({"temperature": 0.0}, "temperature must be a positive number, got 0.0"),
        ({"classes": ["a"]}, "classes must be as many as the network's 3 outputs, got 1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Predictor(MLP([2, 3]), **arguments)


def test_what_is_no_network_or_preprocessing():
    with pytest.raises(TypeError, match=r"model must be an nn.Module, got str"):
        Predictor("mnist_cnn")
    with pytest.raises(TypeError, match=r"classes must be a list of labels, got 'abc'"):
        Predictor(MLP([2, 3]), classes="abc")
    with pytest.raises(TypeError, match=r"preprocess must be a preprocessing such as ImageInput, got 'grey'"):
        Predictor(MLP([2, 3]), preprocess="grey")


def test_outputs_that_are_not_one_logit_for_each_class():
    with pytest.raises(ValueError, match=r"one logit for each of the 2 classes, got shape \(3,\)"):
        fixed([0.0, 1.0, 2.0], classes=["a", "b"])(5)


def test_top_below_one():
    with pytest.raises(ValueError, match=r"top must be at least 1, got 0"):
        fixed([2.5])(5, top=0)
