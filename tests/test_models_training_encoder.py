from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes_training import (
    DATA,
    NO_DROPOUT,
    QUESTIONS,
    SUBJECTS,
    WAYS,
    contrastive_task,
    gradient,
    on_cpu,
    same,
    tiny_encoder,
    train,
    weights,
)
from tiny_model import PAD, tiny_tokenizer
from torch.nn import functional

from models.training.config import ContrastiveConfig
from models.training.encoder import ContrastiveData, ContrastiveTask, relations
from models.training.processes import Share

ONE = ContrastiveData(questions=["a?", "b?"], rows=[frozenset({0})] * 2, weights=[1.0, 1.0], answers=[["a: b"]])


def task_over(data, **config):
    settings = ContrastiveConfig(**{"near_share": 0.0, "scales_near": False} | config)
    return ContrastiveTask(tiny_encoder(), tiny_tokenizer(), data, settings, pad_id=PAD)


def texts(batch):
    return [each.text for each in batch]


def test_a_batch_depends_on_seed_and_step_alone():
    first, other = contrastive_task(), contrastive_task()
    train(first, steps=2)
    assert texts(first.batch(7)) == texts(other.batch(7)) != texts(other.batch(8))


def test_an_anchor_brings_another_question_of_its_pair_and_its_answer():
    for step in range(20):
        batch = contrastive_task(anchors=2, phrasings=1, answers=1, answer_share=1.0).batch(step)
        assert len(batch) == 6
        assert [each.is_question for each in batch] == [True, True, False] * 2
        assert all(batch[at].rows == batch[at + 1].rows == batch[at + 2].rows for at in (0, 3))


def test_no_question_is_there_twice():
    for step in range(30):
        questions = [each.text for each in contrastive_task(anchors=12, phrasings=3).batch(step) if each.is_question]
        assert len(questions) == len(set(questions))


def test_answers_come_for_a_share_of_the_anchors_and_for_all_that_have_nothing_else():
    task = contrastive_task(answer_share=0.25)
    shares = [np.mean([not each.is_question for each in task.batch(step)]) for step in range(60)]
    # Of an anchor, its partner and a quarter of an answer: one text in nine.
    assert np.mean(shares) == pytest.approx(1 / 9, abs=0.03)
    alone = replace(DATA, questions=["lonely?"], rows=[frozenset({0})], weights=[1.0])
    assert [each.is_question for each in task_over(alone, answer_share=0.0).batch(0)] == [True, False]


@pytest.mark.parametrize(("tail", "expected"), [(1.0, 9 / 10), (0.5, 3 / 4), (0.0, 1 / 2)])
def test_a_pair_is_drawn_by_its_number_of_questions_to_a_power(tail, expected):
    data = ContrastiveData(
        questions=[f"q{at}" for at in range(10)],
        rows=[frozenset({0})] * 9 + [frozenset({1})],
        weights=[1.0] * 10,
        answers=[[], []],
    )
    task = task_over(data, anchors=1, phrasings=0, tail=tail)
    drawn = [min(task.batch(step)[0].rows) == 0 for step in range(1500)]
    assert np.mean(drawn) == pytest.approx(expected, abs=0.05)


def test_a_question_of_double_weight_is_drawn_twice_as_often():
    data = ContrastiveData(
        questions=["rare", "often"], rows=[frozenset({0}), frozenset({1})], weights=[1.0, 2.0], answers=[[], []]
    )
    task = task_over(data, anchors=1, phrasings=0)
    drawn = [task.batch(step)[0].text for step in range(900)]
    assert drawn.count("often") / len(drawn) == pytest.approx(2 / 3, abs=0.06)


def test_negatives_are_answers_of_near_and_wrong_pairs():
    task = contrastive_task(anchors=3, phrasings=0, answers=0, negatives=2)
    task.prepare(0)
    batch = task.batch(0)
    assert [each.is_question for each in batch] == [True, False, False] * 3
    near = task.state()["near"]
    for at in (0, 3, 6):
        row = min(batch[at].rows)
        wrong = {min(each.rows) for each in batch[at + 1 : at + 3]}
        assert row not in wrong
        assert wrong <= set(near[row].tolist())


def test_near_pairs_are_those_whose_texts_are_nearest():
    task = contrastive_task(tiny_encoder(**NO_DROPOUT), near_share=0.5)
    task.prepare(0)
    near = task.state()["near"]
    of_pairs = [[*QUESTIONS[4 * at : 4 * at + 4], *DATA.answers[at]] for at in range(len(SUBJECTS))]
    vectors = [torch.from_numpy(task.encode(each)).mean(dim=0) for each in of_pairs]
    centres = functional.normalize(torch.stack(vectors), dim=1)
    cosines = (centres @ centres.T).fill_diagonal_(-2)
    assert near.shape == (6, 5)
    assert (near == cosines.argsort(dim=1, descending=True)[:, :5].numpy()).all()


def test_which_are_near_is_found_anew_every_so_many_steps():
    task = contrastive_task(near_share=0.5, refresh_every=10)
    task.prepare(0)
    before = task.state()["near"].copy()
    with torch.no_grad():
        for each in task.module.parameters():
            each.copy_(torch.randn_like(each))
    task.prepare(9)
    assert (task.state()["near"] == before).all()
    task.prepare(10)
    assert (task.state()["near"] != before).any()


def test_anchors_of_near_pairs_stand_together():
    apart, together = contrastive_task(anchors=8), contrastive_task(anchors=8, near_share=0.8)
    together.prepare(0)
    near = together.state()["near"][:, 0]

    def pairs_beside_their_nearest(task):
        rows = [[min(each.rows) for each in task.batch(step)] for step in range(40)]
        return np.mean([near[row] in of_batch for of_batch in rows for row in of_batch])

    assert pairs_beside_their_nearest(together) != pairs_beside_their_nearest(apart)
    assert all(len(together.batch(step)) >= 8 for step in range(40))


@pytest.mark.parametrize(("pairs", "share"), [(3, 0.0), (4, 0.0), (8, 0.4), (80, 0.76)])
def test_near_pairs_are_sought_the_less_the_fewer_pairs_there_are(pairs, share):
    data = ContrastiveData(
        questions=[f"{WAYS[0]} {at}" for at in range(pairs)],
        rows=[frozenset({at}) for at in range(pairs)],
        weights=[1.0] * pairs,
        answers=[[f"answer {at}"] for at in range(pairs)],
    )
    scaled = task_over(data, anchors=1, near_share=0.8, scales_near=True)
    asked_for = task_over(data, anchors=1, near_share=share)
    for task in (scaled, asked_for):
        task.prepare(0)
    assert len(scaled.state()["near"]) == (pairs if share else 0)
    assert [texts(scaled.batch(step)) for step in range(20)] == [texts(asked_for.batch(step)) for step in range(20)]


def test_texts_belong_together_where_they_share_a_pair_and_answers_are_compared_with_questions_alone():
    rows = [frozenset({0}), frozenset({0, 1}), frozenset({1}), frozenset({2})]
    positives, allowed = relations(rows, [True, True, False, False])
    assert positives.int().tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert allowed.int().tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]


def test_the_loss_is_the_mean_over_anchors_that_have_something_right():
    task = contrastive_task(tiny_encoder(**NO_DROPOUT), temperature=0.1)
    loss, _ = gradient(task, on_cpu())
    batch = task.batch(0)
    cosines = torch.from_numpy(task.encode(texts(batch)))
    cosines = cosines @ cosines.T / 0.1
    found = []
    for at, each in enumerate(batch):
        others = [n for n, other in enumerate(batch) if n != at and (each.is_question or other.is_question)]
        right = [n for n in others if batch[n].rows & each.rows]
        logs = functional.log_softmax(cosines[at, others], dim=0)
        if right:
            found.append(-float(torch.stack([logs[others.index(n)] for n in right]).mean()))
    assert loss == pytest.approx(np.mean(found), rel=1e-4)


def test_encoding_in_training_is_in_order_of_unit_length_and_leaves_the_mode():
    task = contrastive_task()
    task.module.train()
    long, short = QUESTIONS[3] + " and more of it", "a"
    vectors = task.encode([short, long, short])
    assert task.module.training
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], vectors[2])
    assert np.allclose(task.encode([long])[0], vectors[1], atol=1e-5)


def test_the_prompt_stands_before_every_text():
    plain = contrastive_task()
    prompted = ContrastiveTask(
        plain.module, tiny_tokenizer(), DATA, ContrastiveConfig(max_length=24), pad_id=PAD, prompt="ask: "
    )
    assert np.allclose(prompted.encode(["a"]), plain.encode(["ask: a"]), atol=1e-6)


def test_questions_are_augmented_by_their_share_and_answers_are_not():
    class Shout:
        def augment(self, text, rng):
            return text.upper()

    batches = [contrastive_task(augmenter=Shout(), augment=0.5).batch(step) for step in range(40)]
    questions = [each.text.isupper() for batch in batches for each in batch if each.is_question]
    assert np.mean(questions) == pytest.approx(0.5, abs=0.1)
    assert not any(each.text.isupper() for batch in batches for each in batch if not each.is_question)


def test_more_anchors_than_questions_are_all_questions():
    found = [each.text for each in contrastive_task(anchors=999, phrasings=1).batch(0) if each.is_question]
    assert sorted(found) == sorted(QUESTIONS)
    task = contrastive_task(anchors=999, near_share=0.9)
    task.prepare(0)
    assert len(task.batch(0)) >= len(QUESTIONS)
    assert task.epoch_steps == len(SUBJECTS) * len(WAYS) / 999


def test_one_pair_alone_has_none_near_and_breaks_nothing():
    task = task_over(ONE, anchors=2, near_share=0.5, negatives=1)
    task.prepare(0)
    assert task.state()["near"].shape == (1, 0)
    assert np.isfinite(task.backward(0, on_cpu(), Share()))


def test_what_is_near_goes_on_after_a_kill():
    task, again = contrastive_task(near_share=0.5), contrastive_task(near_share=0.5)
    task.prepare(0)
    again.restore(task.state())
    assert texts(again.batch(3)) == texts(task.batch(3))
    before = weights(again.module)
    again.prepare(3)
    assert same(weights(again.module), before)
