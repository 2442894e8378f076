from dataclasses import replace

import numpy as np
import pytest
from fakes_kb import pair

from bot.selection import Selection, SelectionConfig
from kb.types import Candidate, Match

AXES = np.eye(4, dtype=np.float32)
PLAIN = SelectionConfig(responses=2, nearly=0.1, adaptive=False, strategy="mmr", duplicate_similarity=0.9)


def matches(*relevance, topics=None):
    found = []
    for at, value in enumerate(relevance):
        known = pair(f"question {at}", "a", pair_id=f"p{at}", topic=(topics or [""] * len(relevance))[at])
        candidate = Candidate(
            pair=known, phrasing="", role="question", similarity=0.5, answer_similarity=0.0, lexical=0.0, evidence=0.0
        )
        found.append(Match(candidate=candidate, relevance=value))
    return found


def ids(shown):
    return [match.pair.pair_id for match in shown.matches]


def test_what_is_much_less_relevant_or_below_the_threshold_is_not_shown():
    assert ids(Selection(PLAIN, 1.0).shown(matches(0.9, 0.2, 0.1), AXES[:3], 0.1)) == ["p0"]
    assert ids(Selection(PLAIN, 1.0).shown(matches(0.6, 0.5, 0.5), AXES[:3], 0.55)) == ["p0"]


def test_what_says_the_same_is_left_out_and_named():
    shown = Selection(PLAIN, 1.0).shown(matches(0.9, 0.85, 0.8), AXES[[0, 0, 1]], 0.1)
    assert ids(shown) == ["p0", "p2"]
    assert shown.left_out == {"p1": "says the same as “question 0”"}


def test_what_has_no_room_says_so():
    shown = Selection(PLAIN, 1.0).shown(matches(0.9, 0.85, 0.8), AXES[:3], 0.1)
    assert shown.left_out == {"p2": "only 2 answers are shown"}


def test_diversity_adapts_to_how_ambiguous_the_question_is():
    adaptive = Selection(replace(PLAIN, adaptive=True, diversity=0.5), 1.0)
    sure, torn = adaptive.diversity(matches(0.999, 0.001)), adaptive.diversity(matches(0.5, 0.5))
    assert sure == pytest.approx(0.0, abs=1e-3)
    assert torn == pytest.approx(0.5, abs=1e-3)
    assert Selection(replace(PLAIN, diversity=0.5), 1.0).diversity(matches(0.999, 0.001)) == 0.5


def test_a_strategy_that_covers_aspects_takes_the_topics():
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.8, 0, 0.6]], dtype=np.float32)
    found = matches(0.9, 0.85, 0.8, topics=["a", "a", "b"])
    covering = Selection(replace(PLAIN, strategy="xquad", diversity=1.0), 1.0)
    assert ids(covering.shown(found, vectors, 0.1)) == ["p0", "p2"]
    assert ids(Selection(replace(PLAIN, strategy="relevance"), 1.0).shown(found, vectors, 0.1)) == ["p0", "p1"]
