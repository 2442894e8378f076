import pytest
from conversation import shown
from fakes_bot import SHOP, bot_over
from fakes_kb import pair
from hypothesis import given
from hypothesis import strategies as st

from bot.evaluation import run
from bot.labelled import Labelled
from bot.messages import Messages
from bot.small_talk import small_talk


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("hello", "greeting"),
        ("Hello!!", "greeting"),
        ("hiiii there", "greeting"),
        ("Hi, how are you?", "greeting"),
        ("Hello, good morning :)", "greeting"),
        ("thanks a lot!", "thanks"),
        ("thank yuo so much", "thanks"),
        ("THX 👍", "thanks"),
        ("bye", "goodbye"),
        ("thanks, bye!", "goodbye"),
        ("Are you a real person?", "robot"),
        ("sorry", "apology"),
        ("hahahaha", "laughter"),
        ("😂 haha", "laughter"),
    ],
)
def test_what_asks_nothing_is_small_talk_of_its_kind(message, kind):
    assert small_talk(message) == kind


@pytest.mark.parametrize(
    "message",
    [
        "hello where is my parcel",
        "hi, where is my parcel?",
        "thanks for nothing, where is my parcel",
        "thanks, and how long does it take?",
        "buy",
        "heat",
        "tents",
        "hello world tent",
        "are you a robot shop",
        "🙂🙃🙂",
        "?",
        "",
        "sorry, I ordered the wrong size",
    ],
)
def test_what_asks_or_says_anything_else_is_not(message):
    assert small_talk(message) is None


@given(st.text(max_size=100))
def test_any_text_has_a_kind_or_none(message):
    assert small_talk(message) in (None, "greeting", "thanks", "goodbye", "robot", "apology", "laughter")


@pytest.mark.parametrize(("message", "kind"), [("Hello!", "greeting"), ("thank you so much", "thanks")])
def test_small_talk_is_met_with_a_word_and_no_answer(tmp_path, message, kind):
    reply = bot_over(tmp_path).answer(message)
    assert (reply.outcome, reply.message) == ("answered", getattr(Messages(), kind))
    assert (reply.responses, reply.follow_ups) == ((), ())


def test_small_talk_counts_as_no_question_answered(tmp_path):
    [outcome] = run(bot_over(tmp_path), [Labelled(question="thanks a lot", right=frozenset())])
    assert not outcome.answered


def test_a_greeting_before_a_question_is_answered_as_the_question(tmp_path):
    assert shown(bot_over(tmp_path).answer("Hello, where is my order?"))[0] == "track"


def test_a_knowledge_base_that_answers_small_talk_itself_goes_first(tmp_path):
    own = pair("thank you", "The pleasure is **ours**.", pair_id="thank", phrasings=("thanks a lot", "cheers"))
    bot = bot_over(tmp_path, (*SHOP, own))
    assert shown(bot.answer("thanks a lot!")) == ["thank"]
    assert shown(bot.answer("hello")) == []
