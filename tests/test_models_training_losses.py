import math

import pytest
import torch
from torch.nn import functional

from models.training.losses import contrastive, distillation, matching, symmetric_divergence

ALL = torch.ones(3, 4, dtype=torch.bool)
KINDS = ("bce", "mse", "listwise", "margin")


def unit(*rows):
    return functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mask(count, *pairs):
    found = torch.zeros(count, count, dtype=torch.bool)
    for row, column in pairs:
        found[row, column] = True
    return found


def off_diagonal(count):
    return ~torch.eye(count, dtype=torch.bool)


def test_contrastive_is_the_hand_worked_number():
    # Cosines: .6 with the right one, 0 with the wrong one; over a temperature of .5 that is 1.2 and 0.
    vectors = unit([1, 0], [3, 4], [0, 1])
    loss = contrastive(vectors, mask(3, (0, 1)), mask(3, (0, 1), (0, 2)), 0.5)
    assert float(loss) == pytest.approx(-math.log(math.exp(1.2) / (math.exp(1.2) + 1)), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_with_one_positive_each_it_is_the_cross_entropy_over_all_others(smoothing):
    vectors = functional.normalize(random(6, 8), dim=1)
    partner = [1, 0, 3, 2, 5, 4]
    others = (vectors @ vectors.T / 0.1)[off_diagonal(6)].view(6, 5)
    target = torch.tensor([other - (other > at) for at, other in enumerate(partner)])
    expected = functional.cross_entropy(others, target, reduction="sum", label_smoothing=smoothing)
    found = contrastive(vectors, mask(6, *enumerate(partner)), off_diagonal(6), 0.1, smoothing)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_the_loss_of_several_positives_is_the_mean_of_each_alone():
    vectors = functional.normalize(random(4, 8), dim=1)
    allowed = off_diagonal(4)
    both = contrastive(vectors, mask(4, (0, 1), (0, 2)), allowed, 0.2)
    each = [contrastive(vectors, mask(4, (0, at)), allowed, 0.2) for at in (1, 2)]
    assert float(both) == pytest.approx(float(sum(each)) / 2, rel=1e-5)


def test_an_anchor_without_a_positive_counts_nothing_and_has_no_gradient_of_its_own():
    vectors = random(3, 4).requires_grad_()
    loss = contrastive(vectors, mask(3), off_diagonal(3), 0.1, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not vectors.grad.any()


def test_what_is_not_allowed_does_not_change_the_loss():
    vectors = functional.normalize(random(4, 8), dim=1)
    allowed = off_diagonal(4)
    allowed[0, 3] = False
    before = contrastive(vectors, mask(4, (0, 1)), allowed, 0.1, 0.1)
    vectors[3] = vectors[0]
    assert float(contrastive(vectors, mask(4, (0, 1)), allowed, 0.1, 0.1)) == pytest.approx(float(before), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_is_the_mean_binary_cross_entropy_of_the_group(smoothing):
    logits, labels = random(3, 4), torch.tensor([[1.0, 0, 0, 0], [0, 1, 1, 0], [0.5, 0, 0, 1]])
    expected = functional.binary_cross_entropy_with_logits(
        logits, labels * (1 - smoothing) + smoothing / 2, reduction="none"
    ).mean(dim=1)
    assert torch.allclose(matching(logits, labels, ALL, "bce", smoothing=smoothing), expected)


def test_mse_is_the_hand_worked_number():
    # sigmoid(0) = .5, and sigmoid(log 3) = .75.
    logits, labels = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[1.0, 0.25]])
    found = matching(logits, labels, ALL[:1, :2], "mse")
    assert float(found) == pytest.approx((0.25 + 0.25) / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_listwise_with_one_right_candidate_is_the_cross_entropy_of_the_softmax(smoothing):
    logits, right = random(3, 4), torch.tensor([0, 2, 3])
    labels = functional.one_hot(right, 4).float()
    expected = functional.cross_entropy(logits, right, reduction="none", label_smoothing=smoothing)
    assert torch.allclose(matching(logits, labels, ALL, "listwise", smoothing=smoothing), expected, atol=1e-6)


def test_listwise_takes_graded_labels_as_shares():
    logits, labels = random(1, 4), torch.tensor([[1.0, 0.5, 0.5, 0.0]])
    expected = functional.cross_entropy(logits, torch.tensor([[0.5, 0.25, 0.25, 0.0]]))
    assert float(matching(logits, labels, ALL[:1], "listwise")) == pytest.approx(float(expected), rel=1e-5)


def test_a_group_without_a_right_candidate_teaches_a_list_nothing():
    assert matching(random(1, 4), torch.zeros(1, 4), ALL[:1], "listwise").tolist() == [0.0]
    assert matching(random(1, 4), torch.zeros(1, 4), ALL[:1], "margin").tolist() == [0.0]


def test_margin_is_the_hand_worked_number():
    # Right 1.0 against .5 and -2: short of a margin of 1 by .5 and by nothing.
    logits, labels = torch.tensor([[1.0, 0.5, -2.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert float(matching(logits, labels, ALL[:1, :3], "margin", margin=1.0)) == pytest.approx(0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_neither_loss_nor_gradient(kind):
    logits, labels = random(2, 3), torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    narrow = matching(logits, labels, ALL[:2, :3], kind, smoothing=0.1)
    wide = torch.cat([logits, torch.full((2, 1), 9.0)], dim=1).requires_grad_()
    present = torch.tensor([[True, True, True, False]] * 2)
    padded = matching(wide, torch.cat([labels, torch.ones(2, 1)], dim=1), present, kind, smoothing=0.1)
    padded.sum().backward()
    assert torch.allclose(narrow, padded)
    assert not wide.grad[:, 3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_when_the_right_candidate_gains(kind):
    labels = torch.tensor([[1.0, 0, 0, 0]])
    worse, better = (matching(torch.tensor([[x, 0.1, 0.2, 0.3]]), labels, ALL[:1], kind) for x in (-1.0, 1.0))
    assert float(better) < float(worse)


def test_distillation_is_the_divergence_of_the_softmaxes_times_the_squared_temperature():
    student, teacher = random(3, 4), random(3, 4, seed=1)
    each = functional.kl_div(
        functional.log_softmax(student / 2, dim=1), functional.softmax(teacher / 2, dim=1), reduction="none"
    )
    assert torch.allclose(distillation(student, teacher, ALL, 2.0), 4 * each.sum(dim=1), atol=1e-6)


def test_distillation_passes_padding_over():
    student, teacher = random(1, 3), random(1, 3, seed=1)
    wide = [torch.cat([each, torch.tensor([[9.0]])], dim=1) for each in (student, teacher)]
    present = torch.tensor([[True, True, True, False]])
    narrow = distillation(student, teacher, ALL[:1, :3], 2.0)
    assert torch.allclose(distillation(*wide, present, 2.0), narrow, atol=1e-6)


def test_the_symmetric_divergence_is_the_mean_of_both_ways():
    first, second = random(2, 4), random(2, 4, seed=1)
    found = symmetric_divergence(first, second, ALL[:2])
    logs = [functional.log_softmax(each, dim=1) for each in (first, second)]
    there = (logs[0].exp() * (logs[0] - logs[1])).sum(dim=1)
    back = (logs[1].exp() * (logs[1] - logs[0])).sum(dim=1)
    assert torch.allclose(found, (there + back) / 2, atol=1e-6)
    assert torch.allclose(symmetric_divergence(first, first, ALL[:2]), torch.zeros(2), atol=1e-7)


def test_groups_of_one_diverge_by_their_sigmoids_whatever_is_beside_them():
    # sigmoid(0) = .5 and sigmoid(log 3) = .75: half of (.5-.75)·log(.5/.75) + (.5-.25)·log(.5/.25).
    expected = (-0.25 * math.log(0.5 / 0.75) + 0.25 * math.log(0.5 / 0.25)) / 2
    first, second = torch.tensor([[0.0, 7.0]]), torch.tensor([[math.log(3), -7.0]])
    alone = symmetric_divergence(first[:, :1], second[:, :1], torch.tensor([[True]]))
    beside = symmetric_divergence(first, second, torch.tensor([[True, False]]))
    assert float(alone) == pytest.approx(expected, rel=1e-5)
    assert float(beside) == pytest.approx(expected, rel=1e-5)
