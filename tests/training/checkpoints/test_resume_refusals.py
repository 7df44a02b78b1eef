"""Resuming from what is damaged, of another run or no checkpoint: passed over, or refused with a reason."""

import shutil

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from practicezoo.training import Checkpointer, fit, save_checkpoint
from support.resuming import LOADERS, Interrupt, InterruptionError, Noisy, names, one_cycle, same, train


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        with pytest.raises(InterruptionError):
            train(tmp_path, Interrupt(15))
        assert names(tmp_path) == ["update-00000010.pt", "update-00000012.pt", "update-00000014.pt"]
        return tmp_path

    @pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
    def test_the_one_before_is_used_with_a_warning(self, folder, damage, tmp_path_factory):
        newest = folder / "update-00000014.pt"
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 8
        newest.write_bytes({"cut": content[:-100], "flip": content, "empty": b""}[damage])
        whole = train(tmp_path_factory.mktemp("whole"))
        with pytest.warns(UserWarning, match=r"update-00000014\.pt is damaged .*: passing over it"):
            assert same(train(folder), whole)

    def test_all_damaged(self, folder):
        for path in folder.iterdir():
            path.write_bytes(path.read_bytes()[:1000])
        with (
            pytest.warns(UserWarning, match="passing over it"),
            pytest.raises(
                ValueError, match="must hold a checkpoint that can be read, all 3 are damaged: remove them"
            ),
        ):
            train(folder)
        assert len(names(folder)) == 3

    def test_files_of_others_are_left_alone(self, folder):
        leftover = folder / ".update-00000016.pt.x.tmp"  # of a process that was killed as it wrote
        leftover.touch()
        others = ["update-notes.pt", "model.pt"]
        for name in others:
            (folder / name).write_text("mine")
        train(folder)
        assert {name: (folder / name).read_text() for name in others} == dict.fromkeys(others, "mine")
        assert not leftover.exists()


class TestWhatDoesNotFit:
    @pytest.fixture
    def folder(self, tmp_path):
        with pytest.raises(InterruptionError):
            train(tmp_path, Interrupt(9))
        return tmp_path

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"accumulate": 2}, "accumulate must be 1 as before, got 2"),
            ({"lr_scheduler": None}, "lr_schedulers must be OneCycleLR as before, got none"),
            ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ],
    )
    def test_other_settings(self, folder, settings, message):
        with pytest.raises(ValueError, match=message):
            train(folder, **settings)

    def test_fewer_epochs_than_are_done(self, tmp_path):
        train(tmp_path)
        with pytest.raises(
            ValueError, match=r"cannot resume from .*: epochs must be at least 4, which are done"
        ):
            train(tmp_path, epochs=2, lr_scheduler=None)

    def test_a_loader_that_shuffles_in_another_way(self, folder):
        with pytest.raises(
            ValueError, match="loaders and model must have 0 generators of their own as before, got 1"
        ):
            train(folder, loader="tensors, generator")

    @pytest.mark.parametrize("optimizer", [SGD, Adam])
    def test_another_optimizer(self, folder, optimizer):
        model = Noisy()
        with pytest.raises(ValueError, match=f"optimizers must be AdamW as before, got {optimizer.__name__}"):
            fit(
                model,
                LOADERS["tensors"](),
                criterion=nn.CrossEntropyLoss(),
                optimizer=optimizer(model.parameters(), lr=0.1),
                epochs=1,
                resume_from=folder,
            )

    def test_another_model(self, folder):
        model = nn.Linear(5, 3)
        optimizer = AdamW(model.parameters(), lr=0.1)
        with pytest.raises(
            ValueError, match=r"cannot resume from .*: model must fit the state that was saved: "
        ):
            fit(
                model,
                LOADERS["tensors"](),
                criterion=nn.CrossEntropyLoss(),
                optimizer=optimizer,
                epochs=1,
                lr_scheduler=one_cycle(optimizer, 1),
                resume_from=folder,
            )

    def test_a_file_that_is_no_runs(self, tmp_path):
        save_checkpoint(tmp_path / "model.pt", {"weights": torch.zeros(2)})
        with pytest.raises(ValueError, match=r"cannot resume from .*model\.pt: it holds no run's state"):
            train(tmp_path / "run", resume_from=tmp_path / "model.pt")
        with pytest.raises(FileNotFoundError, match=r"missing\.pt"):
            train(tmp_path / "run", resume_from=tmp_path / "missing.pt")

    def test_a_typo_in_the_folder_is_noticed(self, folder):
        message = "nothing to resume from in .*typo, so the run starts at the first epoch; its .* go to .*new"
        with pytest.warns(UserWarning, match=message):
            train(folder, callbacks=[Checkpointer(folder / "new")], resume_from=folder / "typo")
        with pytest.warns(UserWarning, match=r"the first epoch; no Checkpointer writes its checkpoints$"):
            train(folder, callbacks=[], resume_from=folder / "typo")

    def test_a_file_in_the_place_of_the_folder(self, tmp_path):
        (tmp_path / "notes").touch()
        with pytest.raises(NotADirectoryError, match=r"must be a folder's path, got the file .*notes\n"):
            train(tmp_path / "notes", resume_from=None)

    def test_any_other_file_is_no_checkpoint(self, folder):
        (folder / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"notes\.txt is damaged or no checkpoint"):
            train(folder, resume_from=folder / "notes.txt")

    def test_one_of_the_files_may_be_named(self, folder, tmp_path_factory):
        earlier = tmp_path_factory.mktemp("earlier")
        shutil.copy(folder / "update-00000006.pt", earlier)
        whole = train(tmp_path_factory.mktemp("whole"))
        assert same(train(earlier, resume_from=earlier / "update-00000006.pt"), whole)
