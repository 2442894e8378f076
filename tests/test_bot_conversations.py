"""When a conversation counts as clicked, voted up, and confirmed as resolved."""

import pytest

from bot.conversations import Conversation, answers_of, clicked_of, conversations_of, suggestions_of


def turn(question="Where is my order?", outcome="answered", shown=("p-1",), vote=0, **fields):
    """A turn of conversation c as the log exports it."""
    reply = {"outcome": outcome, "responses": [{"pair_id": each} for each in shown]}
    given = {"conversation": "c", "impressions": [], "clicks": []}
    return {"question": question, "outcome": outcome, "vote": vote, "reply": reply} | given | fields


def conversation(*turns, **fields):
    return Conversation(conversation="c", turns=turns, **fields)


THANKS = turn("thanks a lot", shown=())
REFUSED = turn("is it raining", outcome="abstained", shown=())


@pytest.mark.parametrize(
    ("turns", "resolved"),
    [
        ((turn(vote=1),), True),
        ((turn(), THANKS), True),
        ((turn(), turn("goodbye", shown=())), True),
        ((turn(vote=-1), turn(vote=1)), True),
        ((turn(),), False),
        ((turn(vote=-1), THANKS), False),
        ((turn(vote=1), turn()), False),
        ((turn(vote=1), REFUSED), False),
        ((turn(), turn("hello", shown=())), False),
        ((THANKS,), False),
        ((REFUSED, THANKS), False),
    ],
)
def test_it_is_resolved_where_the_last_answer_was_voted_up_or_thanked_for(turns, resolved):
    assert conversation(*turns).resolved is resolved


def test_what_went_to_a_person_is_not_resolved():
    assert not conversation(turn(vote=1), is_handed_over=True).resolved


@pytest.mark.parametrize(("votes", "up"), [((1, 0), True), ((1, -1), False), ((0, 0), False), ((-1,), False)])
def test_it_is_voted_up_where_nothing_was_voted_down(votes, up):
    assert conversation(*(turn(vote=each) for each in votes)).voted_up is up


def test_only_clicks_on_suggestions_count():
    clicks = [{"pair_id": "p-2", "role": "follow_up"}, {"pair_id": "p-3", "role": "option"}]
    assert clicked_of(turn(clicks=clicks)) == {"p-2"}
    assert conversation(turn(), turn(clicks=clicks)).clicked
    assert not conversation(turn(clicks=clicks[1:])).clicked


def test_options_are_no_suggestions():
    shown = [{"role": role, "pair_id": role} for role in ("response", "option", "follow_up")]
    assert [each["pair_id"] for each in suggestions_of(turn(impressions=shown))] == ["follow_up"]


def test_how_a_reply_answers_is_its_outcome_and_its_pairs_in_order():
    assert answers_of(turn(shown=("p-2", "p-1"))["reply"]) == ("answered", "p-2", "p-1")


def test_turns_are_put_together_in_the_order_in_which_conversations_began():
    turns = [turn(conversation=each) for each in "abac"]
    found = conversations_of(turns, {"b"})
    assert [(each.conversation, len(each.turns), each.is_handed_over) for each in found] == [
        ("a", 2, False),
        ("b", 1, True),
        ("c", 1, False),
    ]
