import pytest
from fakes_kb import pair
from hypothesis import given
from hypothesis import strategies as st

from bot.completion import Completer

QUESTIONS = (
    "How do I track my order?",
    "Track an order",
    "Where can I see the tracking number of an order that I paid for?",
    "Ordering by phone",
    "Où est mon colis ?",
    "What's the C# course?",
)
COMPLETER = Completer([pair(question, "Yes.") for question in QUESTIONS])


def test_every_word_typed_begins_a_word_of_the_question_in_any_order():
    assert set(COMPLETER.complete("ord tra")) == set(QUESTIONS[:3])


def test_questions_that_begin_with_what_was_typed_come_first_then_those_that_hold_it_then_short_ones():
    assert COMPLETER.complete("track") == [QUESTIONS[1], QUESTIONS[0], QUESTIONS[2]]
    assert COMPLETER.complete("order") == [QUESTIONS[3], QUESTIONS[1], QUESTIONS[0], QUESTIONS[2]]


@pytest.mark.parametrize("typed", ["TRACK an", "  track   an ", "track, an?!", "track\x00 an"])
def test_case_space_punctuation_and_what_cannot_be_seen_make_no_difference(typed):
    assert COMPLETER.complete(typed) == COMPLETER.complete("track an") == [QUESTIONS[1], QUESTIONS[2]]


def test_the_middle_of_a_word_is_not_its_beginning():
    assert COMPLETER.complete("rack") == []


@pytest.mark.parametrize("typed", ["", " ", "t", "?", "\x00", "\ud800"])
def test_less_than_two_characters_complete_to_nothing(typed):
    assert COMPLETER.complete(typed) == []


def test_other_alphabets_are_completed():
    assert COMPLETER.complete("où est") == ["Où est mon colis ?"]


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_no_more_than_the_limit_are_given(limit):
    assert len(COMPLETER.complete("order", limit)) == limit


def test_an_empty_knowledge_base_completes_nothing():
    assert Completer([]).complete("where") == []


def test_of_a_text_of_100_000_characters_the_beginning_is_read():
    assert set(COMPLETER.complete("order " * 20_000)) == set(COMPLETER.complete("order"))
    assert COMPLETER.complete("x" * 100_000) == []


@given(st.text())
def test_any_text_completes_to_questions_of_the_knowledge_base(typed):
    assert set(COMPLETER.complete(typed)) <= set(QUESTIONS)
