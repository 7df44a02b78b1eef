"""When callbacks are called, and what they may do."""

import pytest

from practicezoo.training import Callback
from support.fitting import fit_for
from support.toys import Recorder, classes, mlp, split


class TestCallbacks:
    def test_hooks_are_called_after_each_update_and_epoch(self):
        recorder = Recorder()
        fit_for(mlp(), split(*classes(), 8), epochs=3, accumulate=3, callbacks=[recorder])
        assert [result.num_items for result in recorder.results] == [24, 6] * 3
        assert recorder.num_epochs == [1, 2, 3]

    def test_run_tells_where_it_is(self):
        seen = []

        class Watch(Callback):
            def on_step_end(self, run, result):
                seen.append((run.epoch, run.num_updates, run.epochs, len(run.history)))

        fit_for(mlp(), split(*classes(), 15), epochs=2, callbacks=[Watch()])
        assert seen == [(1, 1, 2, 0), (1, 2, 2, 0), (2, 3, 2, 1), (2, 4, 2, 1)]

    def test_should_stop_ends_the_run_after_the_epoch(self):
        class Stop(Callback):
            def on_step_end(self, run, result):
                run.should_stop = run.epoch == 2

        recorder = Recorder()
        history = fit_for(mlp(), split(*classes(), 8), epochs=9, callbacks=[Stop(), recorder])
        assert len(history) == 2
        assert recorder.num_epochs == [1, 2]
        assert len(recorder.results) == 8

    @pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end"])
    def test_an_exception_names_the_callback(self, hook):
        def fail(self, *arguments):
            raise RuntimeError("out of luck")

        broken = type("Broken", (Callback,), {hook: fail})()
        with pytest.raises(RuntimeError, match="out of luck") as caught:
            fit_for(mlp(), [classes()], callbacks=[Recorder(), broken])
        assert caught.value.__notes__ == [f"raised by the callback Broken.{hook}"]

    def test_an_interrupt_passes_through_after_the_finished_epochs(self):
        class Interrupt(Callback):
            def on_step_end(self, run, result):
                if run.epoch == 3:
                    raise KeyboardInterrupt

        recorder = Recorder()
        with pytest.raises(KeyboardInterrupt) as caught:
            fit_for(mlp(), [classes()], epochs=5, callbacks=[recorder, Interrupt()])
        assert recorder.num_epochs == [1, 2]
        assert not hasattr(caught.value, "__notes__")
