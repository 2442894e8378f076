import random
import subprocess
import sys
import time
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_rows import CONFIG, SPLITTABLE, many, near, pair, row, trigrams

from models.training.data import (
    SplitConfig,
    labeled_pairs,
    split,
)
from models.training.grouping import normalised, question_groups


@given(SPLITTABLE, st.randoms(use_true_random=False), st.integers(0, 5))
def test_every_row_is_on_one_side_whatever_the_order(rows, shuffler, seed):
    config = replace(CONFIG, seed=seed, validation_share=0.4)
    train, valid = split(rows, config)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert split(shuffled, config) == (train, valid)
    assert sorted(map(str, train + valid)) == sorted(map(str, rows))


@given(SPLITTABLE, st.integers(0, 5))
def test_nothing_in_validation_is_near_to_anything_in_training(rows, seed):
    train, valid = split(rows, replace(CONFIG, seed=seed, validation_share=0.5))
    for held_out in valid:
        for learnt in train:
            assert question_groups([held_out.question, learnt.question]).count(normalised(held_out.question)) < 2
            if "退" not in held_out.question + learnt.question:
                assert not near(normalised(held_out.question), normalised(learnt.question))


def test_near_duplicates_planted_all_over_the_data_do_not_leak():
    rng = random.Random(3)
    rows = labeled_pairs(many(pairs=30, texts=12))
    planted = []
    for each in rng.sample(rows, 120):
        at = rng.randrange(2, len(each.question) - 2)
        slipped = each.question[:at] + each.question[at + 1] + each.question[at] + each.question[at + 2 :]
        planted += [
            replace(each, question=each.question.upper() + " ?!", pair_id=f"p{rng.randrange(30)}", origin="history"),
            replace(each, question=slipped, origin="history"),
        ]
    train, valid = split(rows + planted, CONFIG)
    learnt = [(set(normalised(each.question).split()), trigrams(normalised(each.question))) for each in train]
    assert len(valid) > 30
    for each in valid:
        words, grams = set(normalised(each.question).split()), trigrams(normalised(each.question))
        assert all(len(words & other) < 0.8 * len(words | other) for other, _ in learnt)
        assert all(2 * len(grams & other) < 0.85 * (len(grams) + len(other)) for _, other in learnt)


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_gives_its_share_and_its_own_question_stays_in_training(seed):
    rows = labeled_pairs(many(pairs=40, texts=20))
    train, valid = split(rows, replace(CONFIG, seed=seed))
    shares = {pair_id: sum(each.pair_id == pair_id for each in valid) for pair_id in {each.pair_id for each in rows}}
    assert len(shares) == 40
    assert all(2 <= count <= 4 for count in shares.values())
    assert sum(each.origin == "pair" for each in train) == 40


def test_pairs_of_few_texts_are_in_validation_by_their_share_and_one_of_one_text_never():
    rows = labeled_pairs([*many(pairs=400, texts=3), pair("alone", "nothing else")])
    train, valid = split(rows, CONFIG)
    assert 0.1 < len(valid) / len(rows) < 0.2
    assert row("nothing else", "alone", origin="pair") in train


@given(SPLITTABLE, st.integers(0, 4))
def test_a_pair_keeps_the_texts_that_it_must(rows, least):
    train, valid = split(rows, SplitConfig(validation_share=0.9, least_training=least))
    for pair_id in {each.pair_id for each in valid if each.label}:
        assert sum(each.pair_id == pair_id and each.label == 1 for each in train) >= least


def test_another_seed_is_another_split():
    rows = labeled_pairs(many())
    assert split(rows, CONFIG) != split(rows, replace(CONFIG, seed=1))


def test_rows_that_come_later_leave_the_others_on_their_sides_for_the_most_part():
    pairs = many(pairs=21)
    before = set(split(labeled_pairs(pairs[:20]), CONFIG)[1])
    after = set(split(labeled_pairs(pairs), CONFIG)[1])
    assert len(before - after) <= 0.05 * len(before)


def test_what_is_wrong_for_every_pair_is_shared_out_too():
    rows = [row(each.question, "p", label=0.0, origin="operator") for each in labeled_pairs(many(pairs=5, texts=20))]
    assert 10 <= len(split(rows, CONFIG)[1]) <= 16


def test_the_split_does_not_depend_on_the_hashes_of_a_process():
    code = (
        "from models.training.data import *; from tests.training_rows import many;"
        "print(data_manifest(*split(labeled_pairs(many()), SplitConfig()), many(), SplitConfig())['valid_hash'])"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_a_hundred_thousand_questions_are_split():
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7))) for _ in range(20_000)]
    frequency = list(accumulate(1 / (at + 3) for at in range(len(words))))
    texts = [" ".join(rng.choices(words, cum_weights=frequency, k=rng.randint(4, 9))) for _ in range(100_000)]
    rows = [row(text, f"p{at % 5_000}") for at, text in enumerate(texts)]
    began = time.process_time()
    train, valid = split(rows, CONFIG)
    print(f"100,000 questions split in {time.process_time() - began:.1f} s of processor time")
    assert len(train) + len(valid) == 100_000
    assert 0.1 < len(valid) / 100_000 < 0.16
