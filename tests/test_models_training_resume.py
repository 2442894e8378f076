"""Trainings are killed in the middle and go on: what comes out is what comes out of one that was left alone."""

import contextlib
import multiprocessing
import os
import signal

import pytest
import torch
import training_run
from fakes_training import same, weights
from safetensors.torch import load_file
from training_run import VARIANTS

from models.training.state import load_state

# Processes that share nothing with this one, and needn't import everything anew. The server knows no folder of tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "models.training.encoder",
        "models.training.matcher",
        "models.training.loop",
        "transformers.models.bert.modeling_bert",
    ]
)


class Run:
    """A training in another process."""

    def __init__(self, work, *arguments):
        self.connection, other = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=work, args=(other, *arguments), daemon=True)
        self.process.start()
        other.close()

    def heard(self):
        """The number of the next step, what it ended with, or None where it was killed."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def go_on(self):
        """Give leave for the next step; return what `heard` gives."""
        self.connection.send("go on")
        return self.heard()

    def end(self, number=None):
        """Send it a signal, if any, and return its exit code."""
        if number is not None:
            # One that is quick has ended by itself by then.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
        self.process.join(60)
        return self.process.exitcode

    def ended(self, found=0):
        """What it ended with, with leave for all steps; `found` is what was heard last."""
        found = found or self.heard()
        while isinstance(found, int):
            found = self.go_on()
        return found


def outcome(curve):
    return curve.losses, curve.metrics, curve.best_step, curve.stopped


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_that_was_killed_goes_on_to_the_same_weights_and_measures_bit_for_bit(tmp_path, variant):
    task, curve = training_run.run(variant, None)
    killed = Run(training_run.work, variant, tmp_path, {})
    step = killed.heard()
    # Not before there is a state, nor in the very step of it.
    while (state := load_state(tmp_path)) is None or step <= state.step + 1:
        step = killed.go_on()
    assert 4 <= state.step < step < 14
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL

    again = Run(training_run.work, variant, tmp_path, {})
    assert again.ended() == outcome(curve)
    assert again.end() == 0
    assert same(load_file(tmp_path / "final.safetensors"), weights(task.module))


def test_however_often_it_is_killed_it_ends_the_same(tmp_path):
    task, curve = training_run.run("dropout", None, save_every=1)
    lives, found = 0, None
    while not isinstance(found, tuple):
        lives += 1
        hurried = Run(training_run.hurry, "dropout", tmp_path, {"save_every": 1})
        heard = [hurried.heard(), hurried.heard()]
        # It goes on until the signal comes: this may be in the middle of saving.
        hurried.end(signal.SIGKILL)
        while (last := hurried.heard()) is not None:
            heard.append(last)
        found = heard[-1]
    assert lives > 1
    assert found == outcome(curve)
    final = tmp_path / "final.safetensors"
    assert same(load_file(final), weights(task.module))


def test_ctrl_c_leaves_the_best_so_far_and_a_state_to_go_on_from(tmp_path):
    variant = "average and patience"
    interrupted = Run(training_run.work, variant, tmp_path, {"patience": 0})
    step = interrupted.heard()
    while step < 7:
        step = interrupted.go_on()
    os.kill(interrupted.process.pid, signal.SIGINT)
    losses, metrics, best_step, stopped = interrupted.ended(step)
    assert stopped == "interrupted"
    assert interrupted.end() == 0
    assert len(losses) == metrics[-1][0] == 8
    assert dict(metrics)[best_step] == max(value for _, value in metrics)
    state = load_state(tmp_path)
    assert state.step == 8
    final = load_file(tmp_path / "final.safetensors")
    assert all(torch.equal(final[name], each) for name, each in state.best.items())

    again = Run(training_run.work, variant, tmp_path, {"patience": 0})
    losses, _, _, stopped = again.ended()
    assert (len(losses), stopped) == (14, "done")
    assert again.end() == 0


def test_a_full_disk_is_said_and_the_state_before_it_stays(tmp_path):
    run = Run(training_run.fill_up, tmp_path, 20_000)
    problem, step, files = run.heard()
    assert run.end() == 0
    assert problem.startswith("TrainingError: expected room for the state in ")
    assert "make room" in problem
    assert step == 4
    assert files == ["state"]
