"""What is said of a run that ended before its time."""

from collections.abc import Iterator
from contextlib import contextmanager

from practicezoo.training.checkpoints.checkpointer import checkpointers_of
from practicezoo.training.history import History
from practicezoo.training.run import Run

__all__ = ["TrainingInterrupted", "interruptions"]

ADVICE = (
    "No update was made. practicezoo.check(model, train_loader, criterion=criterion, optimizer=optimizer) "
    "looks for the usual mistakes and says how to mend them."
)


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a run.

    Args:
        message: where the run was, and how to resume it.
        history: of the finished epochs.

    Attributes:
        history: of the finished epochs.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


@contextmanager
def interruptions(run: Run) -> Iterator[None]:
    """Turn a KeyboardInterrupt into one that says where the run was and how to resume it.

    An error of torch's in the first update gets a note that says who knows the usual mistakes.
    """
    try:
        yield
    except (AttributeError, IndexError, RuntimeError) as error:
        if run.num_updates == 0:
            error.add_note(ADVICE)
        raise
    except KeyboardInterrupt:
        folders = [str(checkpointer.folder) for checkpointer in checkpointers_of(run)]
        way = (
            f"the same call with resume_from={folders[0]!r} resumes it"
            if folders
            else "a Checkpointer among the callbacks makes a run resumable"
        )
        where = f"in epoch {max(run.epoch, 1)} of {run.epochs}, after {run.num_updates} updates"
        raise TrainingInterrupted(f"interrupted {where}; {way}", run.history) from None
