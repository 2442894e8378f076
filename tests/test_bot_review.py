from datetime import UTC, datetime, timedelta

import pytest
from fakes_kb import turn
from hypothesis import given
from hypothesis import strategies as st

from bot.clarifying import NONE_OF_THESE
from bot.review import ranked, worth
from kb.review import Reviewed

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def reviewed(confidence=0.8, vote=0, outcome="answered", threshold=0.5, **known):
    texts = dict.fromkeys(
        ("channel", "vote_reason", "comment", "verdict", "right_pair", "note", "judged_by", "taken_by"), ""
    )
    asked = {name: known.pop(name) for name in ("question", "ordinal") if name in known}
    fields = {"confidence": confidence, "vote": vote, "outcome": outcome, "created_at": NOW} | asked
    said = {"responses": [], "explanation": {"threshold": threshold, "told": {"clicked": known.pop("clicked", False)}}}
    return Reviewed(turn=turn("c", "t", reply=said, **fields), **(texts | {"handed_over": False} | known))


def test_without_a_vote_it_is_the_probability_of_being_wrong():
    assert worth(reviewed(0.8)).value == pytest.approx(0.2)


def test_a_vote_moves_it_as_bayes_has_it():
    # odds(wrong) = .25 · (.85 / .15) = 1.4167, or .25 · (.15 / .85) = .0441
    assert worth(reviewed(0.8, vote=-1)).value == pytest.approx(1.4167 / 2.4167, abs=1e-4)
    assert worth(reviewed(0.8, vote=1)).value == pytest.approx(0.0441 / 1.0441, abs=1e-4)


@given(
    st.floats(0, 1),
    st.sampled_from([-1, 0, 1]),
    st.sampled_from(["answered", "abstained", "clarifying", "handed_over"]),
)
def test_it_is_a_share_and_a_vote_down_never_lowers_it(confidence, vote, outcome):
    value = worth(reviewed(confidence, vote, outcome)).value
    assert 0 <= value <= 1
    assert worth(reviewed(confidence, -1, outcome)).value >= value


def test_what_nearly_had_an_answer_is_worth_more_than_what_was_nowhere_near():
    near, far = (worth(reviewed(confidence, outcome="abstained")).value for confidence in (0.49, 0.01))
    assert near > 1.5 * far


def test_what_went_to_a_person_is_worth_more():
    assert worth(reviewed(handed_over=True)).value > worth(reviewed()).value


def test_reasons_are_told_in_words():
    told = worth(reviewed(0.6, vote=-1, vote_reason="wrong", comment="no!", handed_over=True)).reasons
    assert told == ("voted down: wrong", "60% sure", "conversation went to a person", "has a comment")
    assert worth(reviewed(0.1, outcome="abstained")).reasons == ("no answer",)
    assert worth(reviewed(0.9)).reasons == ()


def test_the_worst_come_first_and_of_equals_the_newest():
    sure, unsure = reviewed(0.9), reviewed(0.6)
    old = reviewed(0.6)
    old = Reviewed(
        **{name: getattr(old, name) for name in Reviewed.__slots__ if name != "turn"},
        turn=turn("c", "old", confidence=0.6, created_at=NOW - timedelta(days=1), reply=old.turn.reply),
    )
    assert [each.turn for each in ranked([sure, old, unsure])] == [unsure, old, sure]


def test_what_was_chosen_and_not_typed_is_not_looked_at():
    typed, clicked = reviewed(0.6), reviewed(0.1, clicked=True)
    assert [each.turn for each in ranked([clicked, typed])] == [typed]


def test_who_means_none_of_the_options_says_so_of_the_turn_before():
    asked = reviewed(0.6, outcome="clarifying", ordinal=1)
    other = reviewed(0.6, outcome="clarifying", ordinal=5)
    declined = reviewed(0.6, outcome="abstained", question=NONE_OF_THESE, ordinal=2)
    first, second = ranked([other, declined, asked])
    assert (first.turn, second.turn) == (asked, other)
    assert "meant none of the options" in first.reasons
    assert "meant none of the options" not in second.reasons
