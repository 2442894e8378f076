import pytest
from fakes_kb import pair
from hypothesis import given
from hypothesis import strategies as st

from bot.policy import Policy, PolicyConfig
from kb.types import Candidate, Match

CONFIG = PolicyConfig(abstain_message="I don't know.", empty_message="I know nothing.")
PROBABILITIES = st.floats(0.0, 1.0)


def match(relevance):
    candidate = Candidate(
        pair=pair("Where?", "Here."),
        phrasing="Where?",
        role="question",
        similarity=0.9,
        answer_similarity=0.0,
        lexical=0.0,
        evidence=0.9,
    )
    return Match(candidate=candidate, relevance=relevance)


def test_from_the_threshold_on_the_bot_answers_without_words_of_its_own():
    decision = Policy(CONFIG, 0.5).decide([match(0.5), match(0.2)])
    assert (decision.outcome, decision.confidence, decision.threshold) == ("answered", 0.5, 0.5)
    assert decision.message == ""


def test_below_the_threshold_it_abstains_and_says_so():
    decision = Policy(CONFIG, 0.5).decide([match(0.49), match(0.2)])
    assert (decision.outcome, decision.confidence, decision.message) == ("abstained", 0.49, "I don't know.")


def test_the_reason_names_what_was_reached_and_what_is_needed():
    assert "30\u00a0%" in Policy(CONFIG, 0.5).decide([match(0.3)]).reason
    assert "50\u00a0%" in Policy(CONFIG, 0.5).decide([match(0.3)]).reason
    assert "80\u00a0%" in Policy(CONFIG, 0.5).decide([match(0.8)]).reason


def test_without_any_match_it_abstains_with_another_message():
    decision = Policy(CONFIG, 0.5).decide([])
    assert (decision.outcome, decision.confidence, decision.message) == ("abstained", 0.0, "I know nothing.")


def test_a_configured_threshold_goes_before_the_calibrated_one():
    assert Policy(PolicyConfig(threshold=0.9), 0.5).threshold == 0.9
    assert Policy(PolicyConfig(threshold=0.0), 0.5).threshold == 0.5


@given(PROBABILITIES, PROBABILITIES)
def test_it_answers_exactly_where_the_best_match_reaches_the_threshold(relevance, threshold):
    decision = Policy(CONFIG, threshold).decide([match(relevance)])
    assert (decision.outcome == "answered") == (relevance >= threshold)


@pytest.mark.parametrize("relevance", [0.0, 0.4999, 0.5, 1.0])
def test_an_abstention_has_a_message_and_an_answer_has_none(relevance):
    decision = Policy(CONFIG, 0.5).decide([match(relevance)])
    assert bool(decision.message) == (decision.outcome == "abstained")
