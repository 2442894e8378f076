from dataclasses import replace

import numpy as np
import pytest
from fakes_bot import ASKED_SHOP, assembled

from bot.asking import Asked, Judges, Read
from bot.calibration import off_topic_bank, own_phrasings
from bot.config import Config
from bot.measuring import CASCADE_LOSS, MARGINS, WEIGHTS, chosen_settings, measured
from models.calibrate import CalibrationConfig
from models.matcher import MatchSettings

READING = MatchSettings(most=6, phrasings=1)


def question(number, prior, right):
    """A question with candidates by their prior, of which the one in place `right` answers it."""
    asked = Asked(question=f"q{number}", vector=np.zeros(2, np.float32), rows=frozenset({right}))
    texts = tuple(f"{number}/{place}" for place in range(len(prior)))
    return asked, Read(rows=np.arange(len(prior)), prior=np.array(prior, dtype=np.float32), texts=texts)


def judge_of(reads, sharpness):
    """A matcher that knows what is right; with a sharpness below 0 it knows what is wrong."""
    right = {f"{asked.question[1:]}/{min(asked.rows)}" for asked, _ in reads}
    return lambda pairs: np.array([sharpness * (text in right) for _, text in pairs], dtype=np.float32)


def near(count=20, gap=0.04, place=1):
    """Questions whose right candidate lies a little below the best one, as many again with it on top."""
    prior = [0.8, 0.8 - gap, 0.1]
    return [question(at, prior, place) for at in range(count)] + [question(at + count, prior, 0) for at in range(count)]


def test_a_useless_matcher_is_left_out():
    found = chosen_settings(near(), lambda pairs: np.zeros(len(pairs), np.float32), READING)
    assert found.settings == replace(READING, weight=0.0)
    assert (found.precision, found.reads) == (0.5, 0.0)


def test_a_harmful_matcher_is_left_out():
    reads = near()
    assert chosen_settings(reads, judge_of(reads, -5.0), READING).settings.weight == 0


def test_a_perfect_matcher_has_the_smallest_weight_that_gains_all():
    reads = near()
    found = chosen_settings(reads, judge_of(reads, 5.0), READING)
    # 5 times the weight must be more than the gap of .04.
    assert found.settings.weight == 0.01
    assert found.precision == 1.0
    weaker = chosen_settings(reads, judge_of(reads, 1.0), READING)
    assert weaker.settings.weight == 0.05
    assert found.settings.most == READING.most


@pytest.mark.parametrize(("gap", "margin"), [(0.04, 0.05), (0.12, 0.15), (0.25, 0.3), (0.4, 0.5)])
def test_the_margin_is_the_narrowest_that_still_reads_what_is_right(gap, margin):
    reads = near(gap=gap)
    found = chosen_settings(reads, judge_of(reads, 50.0), READING)
    assert found.settings.margin == margin
    assert found.precision == 1.0
    assert found.reads == 2.0


def test_the_cascade_may_cost_next_to_nothing():
    # One question in 1000 needs a margin of .5, the others one of .05: it is given up. Two in 100 are not.
    one = [*near(count=500), question(10_000, [0.8, 0.4], 1)]
    assert chosen_settings(one, judge_of(one, 50.0), READING).settings.margin == 0.05
    two = near(count=50) + [question(10_000 + at, [0.8, 0.4], 1) for at in range(2)]
    found = chosen_settings(two, judge_of(two, 50.0), READING)
    assert found.settings.margin == 0.5
    assert found.precision >= 1 - CASCADE_LOSS


def test_a_question_of_which_one_candidate_is_left_reads_none():
    reads = [question(100 + at, [0.9, 0.1], 0) for at in range(30)] + near()
    found = chosen_settings(reads, judge_of(reads, 5.0), READING)
    assert found.reads == pytest.approx(2 * 40 / 70)


def test_a_question_without_candidates_is_not_right():
    empty = replace(question(9_999, [0.5], 0)[1], rows=np.arange(0), prior=np.empty(0, np.float32), texts=())
    reads = [*near(count=1), (question(9_999, [0.5], 0)[0], empty)]
    assert chosen_settings(reads, judge_of(reads, 5.0), READING).precision == pytest.approx(2 / 3)


def test_what_is_tried_goes_from_little_to_much():
    assert list(WEIGHTS) == sorted(WEIGHTS)
    assert list(MARGINS) == sorted(MARGINS)
    assert WEIGHTS[0] == 0


def test_measures_are_those_of_hand_counted_ranks(tmp_path):
    parts = assembled(tmp_path, ASKED_SHOP, config=Config(calibration=CalibrationConfig(fewest=20)))
    judges = Judges(retriever=parts.retriever)
    asked = [each for each in own_phrasings(judges, parts.speller, CalibrationConfig(fewest=20)) if each.rows]
    # Of four questions, the third asks for what is found second, and the fourth for what isn't there.
    order = judges.judged(asked[2].question, asked[2].vector, asked[2].hidden).rows
    given = [
        *(replace(each, rows=frozenset({int(_first(judges, each))})) for each in asked[:2]),
        replace(asked[2], rows=frozenset({int(order[1])})),
        replace(asked[3], rows=frozenset({999})),
    ]
    found = measured(judges, given, off_topic_bank()[:10], parts.calibration)
    assert found["questions"] == 4
    assert found["p_at_1"] == 0.5
    assert found["mrr"] == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert found["hit_at_20"] == 0.75
    assert 0 <= found["off_topic_refused"] <= 1
    assert found["auroc"] > 0.5


def _first(judges, asked):
    return judges.judged(asked.question, asked.vector, asked.hidden).rows[0]
