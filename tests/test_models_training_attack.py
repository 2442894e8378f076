import pytest
import torch
from fakes_training import LineTask, on_cpu

from models.training.attack import disturb
from models.training.processes import Share

WORDS = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
GRADIENT = torch.tensor([[0.0, 2.0], [0.0, 0.0]])


def test_one_step_goes_the_whole_way_along_the_gradient():
    # The mean norm of the rows is 3; a third of that is 1.
    words = WORDS.clone()
    assert disturb(words, WORDS, GRADIENT, 1 / 3, 1)
    assert words.flatten().tolist() == pytest.approx([3.0, 5.0, 0.0, 1.0])


def test_several_steps_stay_within_the_same_distance():
    words = WORDS.clone()
    moved = []
    for _ in range(3):
        assert disturb(words, WORDS, GRADIENT, 1 / 3, 3)
        moved.append(float((words - WORDS).norm()))
    assert moved == pytest.approx([0.5, 1.0, 1.0])


@pytest.mark.parametrize("gradient", [torch.zeros(2, 2), torch.full((2, 2), float("nan"))])
def test_without_a_direction_nothing_is_disturbed(gradient):
    words = WORDS.clone()
    assert not disturb(words, WORDS, gradient, 0.3, 1)
    assert torch.equal(words, WORDS)


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_disturbance_raises_the_loss(rounds):
    task = LineTask()
    words = task.module.words
    original, losses = words.detach().clone(), []
    for _ in range(rounds + 1):
        words.grad = None
        losses.append(task.backward(0, on_cpu(), Share()))
        disturb(words.data, original, words.grad, 0.3, rounds)
    assert losses == sorted(losses)
    assert losses[-1] > losses[0]
