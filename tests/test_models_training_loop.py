import threading

import pytest
import torch
from fakes_training import LineTask, same, settings, train, weights

from kb.errors import TrainingError
from models.training.loop import fit
from models.training.state import load_state


class Notes:
    """A writer that keeps what it is given."""

    def __init__(self):
        self.scalars = []

    def scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def close(self):
        pass


def lasting(task):
    return torch.cat([task.module.words, task.module.slopes]).detach()


def test_steps_are_those_of_adamw_with_the_rates_of_the_schedule():
    task, plain = LineTask(), LineTask()
    train(task, steps=5, learning_rate=0.1, warm_up=0.4, decay="linear", clip=0.0, weight_decay=0.1)
    parameters = list(plain.module.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.1)
    for step, share in enumerate((0.5, 1.0, 1.0, 2 / 3, 1 / 3)):
        points = torch.randn(16, 8, generator=torch.Generator().manual_seed(step))
        optimiser.param_groups[0]["lr"] = 0.1 * share
        optimiser.zero_grad()
        (points @ (torch.cat(parameters) - plain.right)).square().mean().backward()
        optimiser.step()
    assert torch.allclose(lasting(task), lasting(plain), atol=1e-6)


def test_the_loss_falls_and_is_told_and_written():
    task, told, notes = LineTask(), [], Notes()
    config = settings(steps=40, learning_rate=0.1, validate_every=20)
    curve = fit(task, config, told=lambda *each: told.append(each), writer=notes)
    losses = [loss for _, loss in curve.losses]
    assert losses[-1] < 0.2 * losses[0]
    assert [step for step, _, _ in told] == list(range(1, 41))
    assert told[-1] == (40, 40, f"loss {losses[-1]:.3f} · validation {curve.metrics[-1][1]:.3f}")
    assert [(value, step) for name, value, step in notes.scalars if name == "loss"] == [(x, n) for n, x in curve.losses]
    assert [step for name, _, step in notes.scalars if name == "validation"] == [20, 40]
    assert curve.stopped == "done"
    assert not task.module.training


def test_the_best_weights_on_validation_are_kept():
    # What stood at step 4 is what a training of 4 such steps ends with.
    best, first = LineTask(metrics=[0.1, 0.9, 0.2, 0.3]), LineTask()
    curve = train(best, steps=8, validate_every=2, keep="best", decay="none")
    train(first, steps=4, decay="none", warm_up=0.2)
    assert (curve.best_step, curve.best_metric) == (4, 0.9)
    assert curve.metrics == [(2, 0.1), (4, 0.9), (6, 0.2), (8, 0.3)]
    assert same(weights(best.module), weights(first.module))


def test_of_equally_good_weights_the_first_are_kept():
    assert train(LineTask(metrics=[0.5, 0.5, 0.5]), steps=6, validate_every=2, keep="best").best_step == 2


def test_the_last_weights_are_kept_where_that_is_wanted():
    last, plain = LineTask(metrics=[0.9, 0.1]), LineTask()
    train(last, steps=8, validate_every=4, keep="last")
    train(plain, steps=8)
    assert same(weights(last.module), weights(plain.module))


def test_without_a_gain_it_stops_early():
    curve = train(LineTask(metrics=[0.1, 0.5, 0.4, 0.3, 0.9]), steps=10, validate_every=2, patience=2, keep="best")
    assert (curve.stopped, len(curve.losses), curve.best_step) == ("early", 8, 4)


def test_a_training_that_stopped_early_and_was_killed_then_does_not_go_on(tmp_path):
    given = {"steps": 10, "validate_every": 2, "save_every": 2, "patience": 2, "keep": "best"}
    metrics = [0.1, 0.5, 0.4, 0.3, 0.9]
    first, again = LineTask(metrics=metrics), LineTask(metrics=[0.9])
    curve = train(first, tmp_path, **given)
    assert load_state(tmp_path).step == 8
    resumed = train(again, tmp_path, **given)
    assert (resumed.stopped, resumed.metrics, resumed.best_step) == ("early", curve.metrics, 4)
    assert same(weights(again.module), weights(first.module))


def test_a_finished_training_is_not_done_again(tmp_path):
    first, again = LineTask(), LineTask()
    train(first, tmp_path, steps=6)
    before = len(again.passes)
    curve = train(again, tmp_path, steps=6)
    assert len(again.passes) == before
    assert [step for step, _ in curve.losses] == [1, 2, 3, 4, 5, 6]
    assert same(weights(again.module), weights(first.module))


def test_the_state_of_another_training_is_refused(tmp_path):
    train(LineTask(), tmp_path, steps=2)
    other = LineTask()
    other.module.slopes = torch.nn.Parameter(torch.zeros(5, 1))
    with pytest.raises(TrainingError, match=r"that of another \(see slopes\); remove it"):
        train(other, tmp_path, steps=2)


def test_without_a_validation_every_so_often_there_is_one_at_the_end():
    assert [step for step, _ in train(LineTask(), steps=7, validate_every=0).metrics] == [7]


def test_what_gives_no_metric_keeps_its_last_weights():
    task, plain = LineTask(metrics=[float("nan")] * 9), LineTask()
    curve = train(task, steps=6, validate_every=2, keep="best", patience=1)
    train(plain, steps=6)
    assert (curve.metrics, curve.stopped) == ([], "done")
    assert same(weights(task.module), weights(plain.module))


def test_a_loss_that_is_no_number_stops_it_with_the_remedy():
    with pytest.raises(TrainingError, match="expected a finite loss; got nan in step 4; lower the learning rate"):
        train(LineTask(breaks=3), steps=9)


@pytest.mark.parametrize("attack", ["none", "fgm", "pgd"])
def test_where_memory_runs_out_the_same_step_is_made_in_smaller_passes(attack):
    small, plain = LineTask(fits=64), LineTask()
    curve = train(small, steps=3, attack=attack)
    expected = train(plain, steps=3, attack=attack)
    assert max(small.passes[8:]) == 4
    assert [loss for _, loss in curve.losses] == pytest.approx([loss for _, loss in expected.losses], rel=1e-5)
    assert torch.allclose(lasting(small), lasting(plain), atol=1e-5)


class Patchy(LineTask):
    """Runs out of memory in every second call with more than a few points."""

    def backward(self, step, where, share):
        self.fits = 10**9 if self.fits == 64 else 64
        return super().backward(step, where, share)


def test_where_memory_runs_out_in_an_attack_the_clean_gradient_is_kept():
    patchy, plain = Patchy(fits=64), LineTask()
    train(patchy, steps=2, attack="fgm")
    train(plain, steps=2, attack="fgm")
    assert len(patchy.passes) > len(plain.passes)
    assert torch.allclose(lasting(patchy), lasting(plain), atol=1e-5)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_of_the_processor_that_runs_out_is_known_too(error):
    task = LineTask(fits=64)
    task.error = error
    train(task, steps=1)
    assert max(task.passes[8:]) == 4


def test_where_not_one_sequence_fits_the_memory_that_is_said():
    with pytest.raises(TrainingError, match=r"memory for a pass of one sequence; got out of memory.*; set a smaller"):
        train(LineTask(fits=0), steps=1)


def test_any_other_error_is_not_taken_for_one_of_memory():
    task = LineTask(fits=0)
    task.error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(task, steps=1)


def test_as_many_steps_are_planned_as_there_is_time_for():
    curve = train(LineTask(), steps=10**6, least_steps=0, seconds=0.05, validate_every=0)
    assert 6 <= len(curve.losses) < 10**6
    assert train(LineTask(), steps=8, seconds=10**6).losses[-1][0] == 8
    assert len(train(LineTask(), steps=10**6, least_steps=0, seconds=1e-9).losses) == 6
    assert len(train(LineTask(), steps=10**6, least_steps=9, seconds=1e-9).losses) == 9
    assert len(train(LineTask(), steps=7, least_steps=9, seconds=1e-9).losses) == 7


def test_epochs_are_planned_by_the_batches_of_one():
    assert len(train(LineTask(), steps=100, epochs=2, least_steps=5).losses) == 20


def test_the_average_of_the_weights_is_what_is_kept_and_validated():
    kept = []

    class Watched(LineTask):
        def validate(self):
            kept.append(lasting(self))
            return super().validate()

    averaged, plain = Watched(), LineTask()
    train(averaged, steps=20, learning_rate=0.1, average=0.9)
    train(plain, steps=20, learning_rate=0.1)
    assert torch.equal(kept[-1], lasting(averaged))
    assert not torch.allclose(lasting(averaged), lasting(plain))


def test_the_gradient_is_cut_to_a_norm():
    # AdamW forgets a scale that stays the same; one that is cut now and not later leaves its mark.
    free, cut = LineTask(), LineTask()
    train(free, steps=4, clip=0.0, learning_rate=0.1)
    train(cut, steps=4, clip=0.01, learning_rate=0.1)
    assert not torch.allclose(lasting(free), lasting(cut), atol=1e-3)


@pytest.mark.parametrize("attack", ["fgm", "pgd"])
def test_an_attack_changes_the_steps_and_leaves_the_words_where_they_were(attack):
    attacked, plain = LineTask(), LineTask()
    train(attacked, steps=1, attack=attack, attack_size=0.5, learning_rate=1e-12, weight_decay=0.0)
    assert torch.allclose(lasting(attacked), lasting(plain), atol=1e-8)
    train(attacked, steps=10, attack=attack, attack_size=0.5, learning_rate=0.1)
    train(plain, steps=10, learning_rate=0.1)
    assert not torch.allclose(lasting(attacked), lasting(plain), atol=1e-3)


def test_the_same_seed_gives_the_same_weights():
    one, other = LineTask(), LineTask()
    train(one, steps=5)
    torch.rand(7)
    train(other, steps=5)
    assert same(weights(one.module), weights(other.module))


def test_it_trains_outside_the_main_thread_too():
    task = LineTask()
    thread = threading.Thread(target=train, args=(task,))
    thread.start()
    thread.join(60)
    assert not same(weights(task.module), weights(LineTask().module))
