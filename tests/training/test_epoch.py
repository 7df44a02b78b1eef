"""Laws of one epoch as a generator of updates."""

import itertools

import pytest
import torch
from torch import nn

from practicezoo import PaddedSequence
from practicezoo.training import Accuracy, evaluate, train_epoch
from support.fitting import linear, step_for
from support.toys import HostReads, classes, close, mlp, same_weights, split


class TestTrainEpoch:
    def test_a_short_last_window_is_an_ordinary_update(self):
        batches = split(*classes(23), 4)  # 4, 4, 4, 4, 4, 3
        results = list(train_epoch(step_for(mlp()), batches, accumulate=4))
        assert [result.num_items for result in results] == [16, 7]

    def test_accumulated_windows_equal_large_batches(self):
        data = classes(23, dtype=torch.float64)
        models = linear(), linear()
        small = list(train_epoch(step_for(models[0]), split(*data, 4), accumulate=2))
        large = list(train_epoch(step_for(models[1]), split(*data, 8)))
        close(models[0].state_dict(), models[1].state_dict())
        close([result.loss for result in small], [result.loss for result in large])

    def test_batches_are_taken_when_an_update_is_asked_for(self):
        taken = []
        batches = (taken.append(index) or batch for index, batch in enumerate(split(*classes(20), 4)))
        model = mlp().eval()
        updates = train_epoch(step_for(model), batches, accumulate=2)
        assert (taken, model.training) == ([], False)
        next(updates)
        assert (taken, model.training) == ([0, 1], True)
        next(updates)
        assert taken == [0, 1, 2, 3]

    def test_the_caller_may_leave_early(self):
        whole, left = mlp(), mlp()
        torch.manual_seed(1)
        list(itertools.islice(train_epoch(step_for(left), split(*classes(20), 4)), 2))
        torch.manual_seed(1)
        list(train_epoch(step_for(whole), split(*classes(20), 4)[:2]))
        assert same_weights(left, whole)

    def test_evaluation_between_updates_does_not_disturb(self):
        plain, watched = mlp(), mlp()
        torch.manual_seed(1)
        list(train_epoch(step_for(plain), split(*classes(20), 4)))
        torch.manual_seed(1)
        for _ in train_epoch(step_for(watched), split(*classes(20), 4)):
            evaluate(watched, [classes()], metrics={"accuracy": Accuracy()})
        assert same_weights(plain, watched)

    @pytest.mark.parametrize("accumulate", [1, 3])
    def test_no_host_read(self, accumulate):
        batches = split(*classes(49), 1)
        model = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.Linear(8, 3))
        with HostReads() as reads:
            results = list(train_epoch(step_for(model, max_grad_norm=1.0), batches, accumulate=accumulate))
        assert (len(results), reads.count) == (-(-49 // accumulate), 0)

    @pytest.mark.parametrize("accumulate", [0, -1])
    def test_accumulate_below_one(self, accumulate):
        with pytest.raises(ValueError, match=f"accumulate must be at least 1, got {accumulate}"):
            next(train_epoch(step_for(mlp()), [classes()], accumulate=accumulate))

    def test_empty_loader(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            next(train_epoch(step_for(mlp()), []))

    @pytest.mark.parametrize(
        "batch",
        [
            torch.zeros(2, 5),
            (torch.zeros(2, 5), torch.zeros(2), torch.zeros(2)),
            PaddedSequence(torch.zeros(2, 5), torch.tensor([5, 5])),
        ],
    )
    def test_batch_that_is_no_pair(self, batch):
        with pytest.raises(
            TypeError, match=r"a batch must be a plain pair \(inputs, targets\), or a dict of these two, got"
        ):
            next(train_epoch(step_for(mlp()), [batch]))
