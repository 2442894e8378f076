import pytest

from kb.errors import MessageError
from web.message import checked_message

LONGEST = 2000


@pytest.mark.parametrize(
    ("typed", "question"),
    [
        ("  Where is\n my order? ", "Where is my order?"),
        ("order\x00 status", "order status"),
        ("order\ud800 status", "order status"),
        ("\u202eorder\u202c status", "order status"),
        ("📦❓", "📦❓"),
        ("איפה ההזמנה שלי", "איפה ההזמנה שלי"),
    ],
)
def test_a_message_is_cleaned_and_what_it_says_stays(typed: str, question: str) -> None:
    assert checked_message(typed, LONGEST) == question


@pytest.mark.parametrize("typed", ["", "  \n\t", "\x00", "\u200f\u200e", "\u3164", "\ud800", "\u0301"])
def test_a_message_without_anything_to_see_is_refused(typed: str) -> None:
    with pytest.raises(MessageError, match="an empty message"):
        checked_message(typed, LONGEST)


def test_the_length_counts_after_cleaning() -> None:
    assert checked_message("a" * LONGEST + "\x00" * 5 + "   ", LONGEST) == "a" * LONGEST
    with pytest.raises(MessageError, match="at most 2000 characters; got 2001"):
        checked_message("a" * (LONGEST + 1), LONGEST)


def test_a_flood_of_combining_marks_is_thinned_out() -> None:
    assert len(checked_message("a" + "\u0301" * 100_000, LONGEST)) < 20
