import torch
from hypothesis import given
from hypothesis import strategies as st

from practicezoo.recipes.holdout import hold_out

labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(labels, st.floats(0.05, 0.5))
def test_each_class_gives_its_fraction_and_never_leaves_training(classes, fraction):
    targets = torch.tensor(classes)
    mask = hold_out(targets, fraction=fraction, seed=0)
    assert mask.shape == targets.shape
    for label in set(classes):
        size = classes.count(label)
        assert mask[targets == label].sum() == min(round(fraction * size), size - 1)


def test_the_choice_is_a_function_of_the_seed():
    targets = torch.arange(200) % 5
    first, again, other = (hold_out(targets, fraction=0.2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
