from dataclasses import replace

import numpy as np
import pytest
from fakes_kb import pair
from hypothesis import given
from hypothesis import strategies as st

from kb.types import Candidate, Retrieved
from models.calibrate import Calibration
from models.matcher import (
    EvidenceMatcher,
    MatchSettings,
    add_logits,
    candidate_text,
    combined,
    contenders,
    prior_of,
)
from models.probe import Probe

CALIBRATION = Calibration(slope=10.0, intercept=-5.0, threshold=0.5, origin="fitted", validation={})
ASKED = np.array([1.0, 0.0], dtype=np.float32)
# Two fitted texts: the first is what is asked and speaks for pair a, the second is far from it and speaks for pair b.
PROBE = Probe(np.eye(2, dtype=np.float32), np.array([[0.5, 0.0], [0.0, 0.5]], dtype=np.float32), gamma=100.0)
ROW = {"a": 0, "b": 1}


def retrieved(**evidence):
    """What was found: pair ids with their evidence."""
    candidates = tuple(
        Candidate(
            pair=pair("Where?", "Here.", pair_id=pair_id),
            phrasing="Where?",
            role="question",
            similarity=0.9,
            answer_similarity=0.1,
            lexical=0.2,
            evidence=value,
        )
        for pair_id, value in evidence.items()
    )
    vectors = np.zeros((len(candidates), 2), dtype=np.float32)
    return Retrieved(question="Where is it?", candidates=candidates, question_vector=ASKED, vectors=vectors)


def logistic(evidence):
    return 1 / (1 + np.exp(5.0 - 10.0 * evidence))


def test_relevance_is_the_calibrated_probability_of_the_evidence():
    relevance = EvidenceMatcher(CALIBRATION).relevance(retrieved(a=0.5, b=1.0))
    assert relevance.tolist() == pytest.approx([0.5, logistic(1.0)])


def test_the_value_of_the_probe_is_added_to_the_evidence_of_its_pair():
    matcher = EvidenceMatcher(CALIBRATION, PROBE, ROW, weight=0.4)
    relevance = matcher.relevance(retrieved(b=0.5, a=0.5))
    assert relevance.tolist() == pytest.approx([0.5, logistic(0.5 + 0.4 * 0.5)])


def test_without_weight_the_probe_changes_nothing():
    plain, probed = EvidenceMatcher(CALIBRATION), EvidenceMatcher(CALIBRATION, PROBE, ROW, weight=0.0)
    assert (plain.relevance(retrieved(a=0.4, b=0.6)) == probed.relevance(retrieved(a=0.4, b=0.6))).all()


def test_relevance_is_between_0_and_1_for_any_evidence():
    relevance = EvidenceMatcher(CALIBRATION).relevance(retrieved(a=-9.0, b=-1.0, c=0.0, d=9.0))
    assert ((relevance >= 0) & (relevance <= 1)).all()
    assert (np.diff(relevance) >= 0).all()


@pytest.mark.parametrize("probe", [None, PROBE])
def test_no_candidate_has_no_relevance(probe):
    assert EvidenceMatcher(CALIBRATION, probe, ROW, weight=1.0).relevance(retrieved()).shape == (0,)


class Spy:
    """A cross-encoder with a logit per text; remembers what it read."""

    def __init__(self, **logits):
        self.found = logits
        self.read = []

    def logits(self, question, texts):
        self.read.append((question, list(texts)))
        return np.array([self.found[text[0]] for text in texts], dtype=np.float32)


def named(**evidence):
    """What was found, with questions that begin with the pair's id."""
    found = retrieved(**evidence)
    candidates = tuple(
        replace(each, pair=replace(each.pair, question=f"{each.pair.pair_id}?")) for each in found.candidates
    )
    return replace(found, candidates=candidates)


def test_the_matcher_adds_its_weighted_log_share():
    found = named(a=0.5, b=0.4)
    spy = Spy(a=0.0, b=np.log(3))
    settings = MatchSettings(weight=0.2)
    relevance = EvidenceMatcher(CALIBRATION, cross_encoder=spy, settings=settings).relevance(found)
    expected = [logistic(0.5 + 0.2 * np.log(0.25)), logistic(0.4 + 0.2 * np.log(0.75))]
    assert relevance.tolist() == pytest.approx(expected, rel=1e-5)
    assert spy.read == [("Where is it?", ["a?", "b?"])]


def test_only_those_that_can_still_win_are_read_and_the_others_stay_below_them():
    found = named(c=0.1, a=0.5, d=0.45, b=0.4)
    spy = Spy(a=-9.0, b=0.0, d=-9.0)
    prior = prior_of(found, None)
    values = combined(found, prior, spy, MatchSettings(weight=0.01, margin=0.2))
    assert spy.read[0][1] == ["a?", "d?", "b?"]
    assert values[0] < min(values[1:])


def test_no_more_are_read_than_may_be():
    found = named(a=0.5, b=0.4, c=0.3)
    spy = Spy(a=0.0, b=1.0)
    combined(found, prior_of(found, None), spy, MatchSettings(weight=1.0, margin=9.0, most=2))
    assert [len(texts) for _, texts in spy.read] == [2]


@pytest.mark.parametrize(
    ("evidence", "settings"),
    [
        ({"a": 0.9, "b": 0.1}, MatchSettings(weight=1.0, margin=0.5)),
        ({"a": 0.9}, MatchSettings(weight=1.0)),
        ({}, MatchSettings(weight=1.0)),
        ({"a": 0.9, "b": 0.8}, MatchSettings(weight=0.0)),
    ],
    ids=["one can win", "one candidate", "none", "no weight"],
)
def test_where_the_matcher_can_change_nothing_it_is_not_asked(evidence, settings):
    spy = Spy()
    found = named(**evidence)
    matcher = EvidenceMatcher(CALIBRATION, cross_encoder=spy, settings=settings)
    assert (matcher.relevance(found) == EvidenceMatcher(CALIBRATION).relevance(found)).all()
    assert spy.read == []


@given(
    st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=12),
    st.lists(st.floats(-50, 50, width=32), min_size=12, max_size=12),
    st.floats(0, 2, width=32),
    st.floats(0.015625, 1, width=32),
)
def test_whoever_cannot_win_never_wins(prior, logits, margin, weight):
    prior, settings = np.array(prior, dtype=np.float32), MatchSettings(weight=weight, margin=margin, most=5)
    kept = contenders(prior, settings)
    values = add_logits(prior, kept, np.array(logits, dtype=np.float32)[: len(kept)], settings)
    assert np.isfinite(values).all()
    assert values.max() == values[kept].max()
    assert prior[kept].tolist() == sorted(prior.tolist(), reverse=True)[: len(kept)]


def test_logits_are_compared_within_one_question_alone():
    prior, settings = np.array([0.5, 0.4], dtype=np.float32), MatchSettings(weight=0.5)
    low, high = (add_logits(prior, np.arange(2), np.array([x, x + 1], dtype=np.float32), settings) for x in (-9, 9))
    assert np.allclose(low, high)


def test_a_candidate_is_read_with_the_nearest_phrasings_and_passages_that_may_be():
    candidate = replace(
        retrieved(a=0.5).candidates[0], phrasings=("Where to?", "Which way?", "How?"), passages=("Left.", "Right.")
    )
    assert candidate_text(candidate, MatchSettings()) == "Where? / Where to? / Which way?: Left. … Right."
    assert candidate_text(candidate, MatchSettings(phrasings=0, passages=1)) == "Where?: Left."
    assert candidate_text(candidate, MatchSettings(phrasings=1, passages=0)) == "Where? / Where to?"
