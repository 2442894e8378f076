"""Which logged turns are worth an operator's look most: those whose answer was most probably wrong.

P(wrong) by Bayes from the calibrated confidence and the customer's vote, which tells the truth in most cases:

    odds(wrong) = (1 - confidence) / confidence · likelihood of the vote where wrong / where right

A turn without an answer is worth a look as far as there was a question that could have been answered: more the nearer
confidence came to the threshold, and where the conversation went to a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.clarifying import NONE_OF_THESE
from kb.review import Reviewed
from kb.types import Turn

_TRUE_VOTES = 0.85
"""Share of votes that tell the truth, as assumed until verdicts tell better."""
_UNANSWERED = {"abstained": 0.6, "clarifying": 0.4, "handed_over": 0.5}
_WORDS = {"abstained": "no answer", "clarifying": "asked back", "handed_over": "went to a person"}
_WENT_TO_A_PERSON, _DECLINED = 0.2, 0.5
_SURE = 0.75
_CERTAIN = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """What a look at a turn is worth, 0 to 1, and why in words."""

    turn: Reviewed
    value: float
    reasons: tuple[str, ...]


def ranked(turns: Sequence[Reviewed]) -> list[Worth]:
    """Return the turns that were typed, those that are worth a look most first; of equals the newest first.

    What a customer chose among what was shown asks nothing of its own; who chose none of it says so of the turn before.
    """
    declined = {(each.turn.conversation_id, each.turn.ordinal - 1) for each in turns if _is_declined(each.turn)}
    found = [
        worth(each, is_declined=(each.turn.conversation_id, each.turn.ordinal) in declined)
        for each in turns
        if not _is_chosen(each.turn)
    ]
    return sorted(found, key=lambda each: (-each.value, -each.turn.turn.created_at.timestamp()))


def worth(reviewed: Reviewed, *, is_declined: bool = False) -> Worth:
    """Return what a look at a turn is worth; `is_declined`: the customer meant none of what it offered."""
    turn = reviewed.turn
    value = _unanswered(turn) if turn.outcome in _UNANSWERED else _wrong(turn.confidence, turn.vote)
    reasons = []
    if turn.vote < 0:
        reasons.append(f"voted down{f': {reviewed.vote_reason}' if reviewed.vote_reason else ''}")
    if turn.outcome == "answered" and turn.confidence < _SURE:
        reasons.append(f"{turn.confidence:.0%} sure")
    if turn.outcome in _UNANSWERED:
        reasons.append(_WORDS[turn.outcome])
    if is_declined:
        value += _DECLINED * (1 - value)
        reasons.append("meant none of the options")
    if reviewed.handed_over and turn.outcome != "handed_over":
        value += _WENT_TO_A_PERSON * (1 - value)
        reasons.append("conversation went to a person")
    if reviewed.comment:
        reasons.append("has a comment")
    return Worth(turn=reviewed, value=value, reasons=tuple(reasons))


def _is_declined(turn: Turn) -> bool:
    return turn.question == NONE_OF_THESE


def _is_chosen(turn: Turn) -> bool:
    told = turn.reply.get("explanation", {}).get("told") or {}
    return _is_declined(turn) or bool(told.get("clicked"))


def _unanswered(turn: Turn) -> float:
    """Return the share of a look at a turn without an answer, half of it for how near it came to having one."""
    threshold = float(turn.reply.get("explanation", {}).get("threshold") or 1.0)
    return _UNANSWERED[turn.outcome] * (1 + min(1.0, turn.confidence / max(threshold, _CERTAIN))) / 2


def _wrong(confidence: float, vote: int) -> float:
    """Return the probability that an answer was wrong."""
    right = min(max(confidence, _CERTAIN), 1 - _CERTAIN)
    odds = (1 - right) / right
    if vote:
        lies = 1 - _TRUE_VOTES
        odds *= _TRUE_VOTES / lies if vote < 0 else lies / _TRUE_VOTES
    return odds / (1 + odds)
