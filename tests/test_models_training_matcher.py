from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes_training import GROUPS, NO_DROPOUT, gradient, matching_task, on_cpu, tiny_matcher
from tiny_model import PAD, tiny_tokenizer

from models.training.losses import distillation, matching, symmetric_divergence
from models.training.matcher import Group, judge, tokens_of
from models.training.processes import Share

WIDE = Group(question="q", candidates=[f"c{at}" for at in range(8)], labels=[1, 1, 1, 0, 0, 0, 0, 0])


def batch_of(group, **config):
    return matching_task(given_groups=[group], groups=1, **config).batch(0)[0]


def test_an_epoch_has_every_group_once_in_an_order_of_its_own():
    task = matching_task(groups=6)
    epochs = [[group.question for step in range(4 * n, 4 * n + 4) for group in task.batch(step)] for n in range(3)]
    assert [Counter(epoch) for epoch in epochs] == [Counter(group.question for group in GROUPS)] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert task.epoch_steps == len(GROUPS) / 6


def test_a_batch_depends_on_seed_and_step_alone():
    first, other = matching_task(groups=7), matching_task(groups=7)
    for step in range(9):
        first.batch(step)
    assert first.batch(5) == other.batch(5)


def test_of_a_wide_group_the_first_wrong_candidates_are_read_with_right_ones_up_to_a_half():
    found = batch_of(WIDE, candidates=4)
    assert found.labels == [1, 1, 0, 0]
    assert set(found.candidates[:2]) < {"c0", "c1", "c2"}
    assert found.candidates[2:] == ["c3", "c4"]


def test_where_wrong_candidates_are_few_right_ones_fill_up():
    found = batch_of(replace(WIDE, labels=[1, 1, 1, 1, 1, 1, 1, 0]), candidates=6)
    assert found.labels == [1, 1, 1, 1, 1, 0]


def test_what_belongs_to_a_candidate_goes_with_it():
    whole = replace(WIDE, topics=list(range(8)), teacher=[float(at) for at in range(8)])
    found = batch_of(whole, candidates=4)
    assert [f"c{at}" for at in found.topics] == found.candidates == [f"c{at:.0f}" for at in found.teacher]


def logits_of(task, groups):
    """The logits (g, k) of groups, and which are there."""
    width = max(len(group.candidates) for group in groups)
    logits, present = torch.zeros(len(groups), width), torch.zeros(len(groups), width, dtype=torch.bool)
    for row, group in enumerate(groups):
        found = task.judge([(group.question, text) for text in group.candidates])
        logits[row, : len(found)] = torch.from_numpy(found)
        present[row, : len(found)] = True
    labels = torch.zeros_like(logits)
    for row, group in enumerate(groups):
        labels[row, : len(group.labels)] = torch.tensor(group.labels)
    return logits, labels, present


@pytest.mark.parametrize("config", [{"loss": "bce"}, {"loss": "margin", "margin": 0.5}, {"smoothing": 0.1}], ids=str)
def test_the_loss_is_the_weighted_mean_over_groups(config):
    given = [replace(group, weight=1.0 + at % 3) for at, group in enumerate(GROUPS)]
    task = matching_task(tiny_matcher(**NO_DROPOUT), given, **config)
    loss, _ = gradient(task, on_cpu(100))
    batch = task.batch(0)
    kind = config.pop("loss", "listwise")
    each = matching(*logits_of(task, batch), kind, **config)
    weight = torch.tensor([group.weight for group in batch])
    assert loss == pytest.approx(float((each * weight).sum() / weight.sum()), rel=1e-4)


def test_shares_of_a_batch_add_up_to_its_loss_and_gradient():
    task = matching_task(tiny_matcher(**NO_DROPOUT), groups=5, r_drop=0.5)
    loss, whole = gradient(task, on_cpu())
    parts = [gradient(task, on_cpu(), Share(rank=rank, world=3)) for rank in range(3)]
    assert sum(part for part, _ in parts) == pytest.approx(loss, rel=1e-4)
    added = sum(each for _, each in parts)
    assert torch.allclose(added, whole, atol=1e-5 * float(whole.abs().max()))


def test_a_process_without_a_group_adds_nothing():
    task = matching_task(groups=1)
    task.module.zero_grad()
    assert task.backward(0, on_cpu(), Share(rank=1, world=2)) == 0.0
    assert all(each.grad is None for each in task.module.parameters())


def test_a_teacher_takes_its_share_of_the_loss():
    given = [replace(group, teacher=[1.0, *[-1.0] * (len(group.labels) - 1)]) for group in GROUPS]
    task = matching_task(tiny_matcher(**NO_DROPOUT), given, distil_weight=0.25, distil_temperature=2.0)
    loss, _ = gradient(task, on_cpu())
    logits, labels, present = logits_of(task, task.batch(0))
    expected = 0.75 * matching(logits, labels, present, "listwise")
    expected += 0.25 * distillation(logits, 2 * labels - 1, present, 2.0)
    assert loss == pytest.approx(float(expected.mean()), rel=1e-4)


def test_r_drop_compares_two_passes_of_different_dropout():
    quiet = matching_task(tiny_matcher(**NO_DROPOUT), r_drop=4.0)
    assert gradient(quiet, on_cpu())[0] == pytest.approx(
        gradient(matching_task(tiny_matcher(**NO_DROPOUT)), on_cpu())[0]
    )
    loud = [gradient(matching_task(r_drop=weight), on_cpu())[0] for weight in (1e-9, 4.0)]
    assert loud[1] > loud[0] + 1e-3
    assert symmetric_divergence(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)) == 0


def test_logits_are_in_the_order_given_and_the_mode_stays():
    task = matching_task()
    task.module.train()
    pairs = [("a", "long candidate text"), ("what is it", "b"), ("a", "long candidate text")]
    found = task.judge(pairs)
    assert task.module.training
    assert found[0] == pytest.approx(found[2], abs=1e-5) != found[1]
    assert task.judge(pairs[1:2]) == pytest.approx(found[1:2], abs=1e-5)
    assert task.judge([]).shape == (0,)


def test_of_question_and_candidate_the_longer_is_cut_and_kinds_tell_them_apart():
    (found,) = tokens_of(tiny_tokenizer(), [("abcdef", "x" * 50)], 20)
    tokenizer = tiny_tokenizer()
    assert len(found.ids) == 20
    assert [tokenizer.id_to_token(at) for at in found.ids][:8] == [
        "[CLS]",
        "a",
        "##b",
        "##c",
        "##d",
        "##e",
        "##f",
        "[SEP]",
    ]
    assert list(found.kinds) == [0] * 8 + [1] * 12


def test_threads_judge_with_one_tokenizer_at_the_same_time():
    module, tokenizer = tiny_matcher().eval(), tiny_tokenizer()
    pairs = [(f"question {at}", "candidate " * 4) for at in range(60)]
    expected = judge(module, tokenizer, pairs, 36, PAD)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: judge(module, tokenizer, pairs, 36, PAD), range(24)))
    assert all(np.array_equal(each, expected) for each in found)
