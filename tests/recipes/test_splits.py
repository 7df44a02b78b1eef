import torch
from hypothesis import given
from hypothesis import strategies as st

from practicezoo.recipes.splits import stratified_split

labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(labels, st.floats(0.05, 0.5), st.integers(0, 3))
def test_the_two_parts_share_no_row_and_lose_none(classes, share, seed):
    kept, held_out = stratified_split(torch.tensor(classes), share=share, seed=seed)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(len(classes)))


@given(labels, st.floats(0.05, 0.5))
def test_each_class_is_split_in_its_proportion_and_never_leaves_training(classes, share):
    targets = torch.tensor(classes)
    kept, held_out = stratified_split(targets, share=share, seed=0)
    for label in set(classes):
        size = classes.count(label)
        assert (targets[held_out] == label).sum() == min(round(share * size), size - 1)
        assert (targets[kept] == label).any()


def test_the_split_is_a_function_of_the_seed():
    targets = torch.arange(200) % 5
    first, again, other = (stratified_split(targets, share=0.2, seed=seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
