"""A reply as the page shows it."""

import json
from dataclasses import replace

import pytest
from fakes_chat import PAIRS, SNAPSHOT, logged, reply
from fakes_kb import pair

from bot.attribution import Attribution, WordShare
from bot.clarifying import NONE_OF_THESE
from kb.types import HandOver
from web.chat_view import confidence_words, hand_over_view, reply_view, turn_view, words_view

ANSWER = pair("How do I pay?", "By **card**.", pair_id="pay", topic="payment", source="faq.csv")
UNSAFE = pair("<b>q</b>", "<img src=x onerror=window.ran=1> fine", pair_id="unsafe")


def test_an_answer_is_shown_as_sanitised_html() -> None:
    view = reply_view("pay?", reply("t-1", "answered", [ANSWER]))
    assert view["html"].strip() == "<p>By <strong>card</strong>.</p>"
    assert view["turn_id"] == "t-1"
    assert view["outcome"] == "answered"


def test_no_markup_of_an_answer_runs() -> None:
    view = reply_view("q", reply("t-1", "answered", [ANSWER, UNSAFE]))
    assert "<img" not in view["more"][0]["html"]
    assert "fine" in view["more"][0]["html"]


def test_questions_stay_text() -> None:
    question = "<script>x</script>"
    assert reply_view(question, reply("t-1", "answered", [ANSWER]))["question"] == question


def test_what_the_bot_says_itself_comes_before_an_answer() -> None:
    html = reply_view("q", reply("t-1", "answered", [ANSWER], message="This may help."))["html"]
    assert html.index("This may help.") < html.index("card")


def test_further_answers_are_kept_under_their_questions() -> None:
    view = reply_view("q", reply("t-1", "answered", [ANSWER, PAIRS[0]]))
    assert [other["question"] for other in view["more"]] == [PAIRS[0].question]


@pytest.mark.parametrize(("outcome", "role"), [("answered", "follow_up"), ("clarifying", "option")])
def test_choices_say_in_which_role_they_were_shown(outcome: str, role: str) -> None:
    view = reply_view("q", reply("t-1", outcome, follow_ups=[ANSWER]))
    assert view["choices"][0] == {"pair_id": "pay", "question": "How do I pay?", "role": role}


def test_none_of_these_can_be_chosen_where_the_bot_asks_back_and_only_there() -> None:
    asked_back, answered = (
        reply_view("q", reply("t-1", outcome, follow_ups=[ANSWER])) for outcome in ("clarifying", "answered")
    )
    assert asked_back["choices"][1:] == [{"pair_id": "", "question": NONE_OF_THESE, "role": "option"}]
    assert answered["choices"][1:] == []


@pytest.mark.parametrize(
    ("outcome", "offered"), [("answered", False), ("clarifying", False), ("abstained", True), ("handed_over", True)]
)
def test_a_person_is_offered_where_there_is_no_answer(outcome: str, offered: bool) -> None:
    assert reply_view("q", reply("t-1", outcome))["offer_person"] is offered


def test_why_names_source_confidence_and_what_lost() -> None:
    why = reply_view("pay?", reply("t-1", "answered", [ANSWER], runners_up=PAIRS, confidence=0.913))["why"]
    assert why["matched_question"] == "How do I pay?"
    assert why["source"] == "Payment · faq.csv"
    assert (why["words"], why["percent"]) == ("Very sure", 91)
    assert why["reason"] == "Best of 6 candidates, above the threshold"
    assert [other["question"] for other in why["runners_up"]] == [each.question for each in PAIRS[:3]]
    assert why["snapshot"] == "zero-shot · ix-3f9a · 7"


def test_why_without_an_answer_names_no_source() -> None:
    why = reply_view("q", reply("t-1", "abstained"))["why"]
    assert (why["matched_question"], why["source"], why["matched_text"]) == ("", "", "")


@pytest.mark.parametrize(("understood", "shown"), [("pay? ", ""), ("How to pay for a tent", "How to pay for a tent")])
def test_why_tells_how_the_question_was_understood_only_if_otherwise(understood: str, shown: str) -> None:
    assert reply_view("pay?", reply("t-1", "answered", [ANSWER], understood=understood))["why"]["understood"] == shown


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (1.0, "Very sure"),
        (0.9, "Very sure"),
        (0.89, "Sure"),
        (0.6, "Fairly sure"),
        (0.5, "Fairly sure"),
        (0.0, "Not sure"),
    ],
)
def test_confidence_in_words(confidence: float, words: str) -> None:
    assert confidence_words(confidence) == words


@pytest.mark.parametrize(("confidence", "percent"), [(-0.1, 0), (1.2, 100)])
def test_a_percentage_stays_between_0_and_100(confidence: float, percent: int) -> None:
    assert reply_view("q", reply("t-1", "answered", [ANSWER], confidence=confidence))["why"]["percent"] == percent


def test_a_logged_turn_looks_as_it_did_and_has_its_vote() -> None:
    found = reply("t-1", "answered", [ANSWER], follow_ups=PAIRS[:2], runners_up=PAIRS[2:4])
    view = turn_view(logged("c-1", "pay?", found, vote=-1))
    assert view == reply_view("pay?", found) | {"vote": -1}


def test_what_was_not_recorded_can_not_be_voted_on() -> None:
    assert reply_view("q", reply("t-1", "answered", [ANSWER]), votable=False)["votable"] is False


def test_every_view_is_json() -> None:
    assert json.loads(json.dumps(reply_view("q", reply("t-1", "answered", PAIRS))))


def test_a_hand_over_has_a_reference_that_can_be_read_aloud() -> None:
    turn = logged("c-1", "q", reply("t-1", "abstained"))
    handed = HandOver(
        hand_over_id="ab12-cd34ef56", conversation_id="c-1", reason="asked", contact="a@b.example", transcript=(),
        created_at=turn.created_at,
    )  # fmt: skip
    assert hand_over_view(handed) == {"conversation_id": "c-1", "contact": "a@b.example", "reference": "AB12CD34"}


def words(**shares: float) -> Attribution:
    found = tuple(WordShare(word=word, share=share) for word, share in shares.items())
    return Attribution(pair_id="p-1", words=found, snapshot=SNAPSHOT)


def test_the_words_that_mattered_most_come_first_and_those_that_hardly_did_not_at_all() -> None:
    shown = words_view(reply("t-1", "answered", [ANSWER]), words(can=0.04, pay=0.26, invoice=0.7))
    assert shown == {"words": [{"word": "invoice", "percent": 70}, {"word": "pay", "percent": 26}], "changed": False}


def test_at_most_six_words_are_shown() -> None:
    shown = words_view(reply("t-1", "answered", [ANSWER]), words(**{f"w{at}": 0.125 for at in range(8)}))
    assert len(shown["words"]) == 6


def test_words_that_another_snapshot_judged_are_marked() -> None:
    other = replace(words(pay=1.0), snapshot=replace(SNAPSHOT, index="ix-new"))
    assert words_view(reply("t-1", "answered", [ANSWER]), other)["changed"]


def test_where_nothing_was_near_there_are_no_words() -> None:
    assert words_view(reply("t-1", "abstained"), None) == {"words": [], "changed": False}
