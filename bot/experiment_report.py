"""A live comparison so far, from the log: outcomes by arm, and whether they differ, by tests that may be read any time.

Whole conversations are compared, all that were in an arm: what a customer does after the draw, such as voting at all,
may not decide who counts. A test reads conversations in the order in which they began.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.conversations import Conversation, Document, clicked_of, suggestions_of
from bot.experiment import MIXED
from bot.interleaving import preference
from bot.sequential import (
    SequentialConfig,
    always_valid_p,
    arms_evidence,
    arms_sequence,
    decided_at,
    even_evidence,
)
from kb.errors import InputError, describe

Vector = NDArray[np.float64]

_OUTCOMES: dict[str, Callable[[Conversation], bool]] = {
    "clicked": lambda each: each.clicked,
    "voted_up": lambda each: each.voted_up,
    "resolved": lambda each: each.resolved,
}


def experiments_in(conversations: Sequence[Conversation]) -> list[str]:
    """Return the names of the experiments in the log."""
    names = (_assignment(turn).get("name") for each in conversations for turn in each.turns)
    return sorted({name for name in names if name})


def experiment_report(
    conversations: Sequence[Conversation], name: str, config: SequentialConfig | None = None
) -> dict[str, Any]:
    """Return what is known of an experiment so far, ready for `json.dumps`.

    Raises:
        InputError: the log has nothing of it, or its share or mode was changed while it ran.
    """
    config = config or SequentialConfig()
    taking_part = [each for each in conversations if _first(each, name)]
    if not taking_part:
        known = ", ".join(experiments_in(conversations)) or "none yet"
        raise InputError(
            describe(
                expected=f"an experiment that the log has conversations of, which is {known}",
                got=repr(name),
                remedy="name one of them, or set `name` under [experiment] and let customers chat",
            )
        )
    first = [_first(each, name) for each in taking_part]
    modes = {"interleave" if each["arm"] == MIXED else "split" for each in first}
    shares = {each["share"] for each in first}
    if len(modes) > 1 or (modes == {"split"} and len(shares) > 1):
        raise InputError(
            describe(
                expected="one mode and one share of conversations in arm B",
                got=", ".join(map(str, sorted(modes) if len(modes) > 1 else sorted(shares))),
                remedy="give an experiment another name when it changes",
            )
        )
    about = {"name": name, "mode": modes.pop(), "conversations": len(taking_part), "alpha": config.alpha}
    if about["mode"] == "interleave":
        return about | _of_teams(taking_part, name, config)
    return about | _of_arms(taking_part, [each["arm"] == "B" for each in first], shares.pop(), config)


def _of_arms(
    conversations: Sequence[Conversation], in_b: Sequence[bool], share: float, config: SequentialConfig
) -> dict[str, Any]:
    is_b = np.array(in_b, dtype=bool)
    found: dict[str, Any] = {"share": share, "a": {}, "b": {}, "difference": {}}
    for name, chosen in (("a", ~is_b), ("b", is_b)):
        members = [each for each, it_is in zip(conversations, chosen, strict=True) if it_is]
        shown = [slot for each in members for turn in each.turns for slot in suggestions_of(turn)]
        clicks = sum(len(clicked_of(turn)) for each in members for turn in each.turns)
        found[name] = {
            "conversations": len(members),
            "suggestions": len(shown),
            "clicks": clicks,
            "clicks_per_suggestion": clicks / len(shown) if shown else None,
        }
    for outcome, of_it in _OUTCOMES.items():
        values = np.array([of_it(each) for each in conversations], dtype=np.float64)
        for name, chosen in (("a", ~is_b), ("b", is_b)):
            found[name][outcome] = float(values[chosen].mean()) if chosen.any() else None
        found["difference"][outcome] = _tested(values, is_b, share, config)
    return found


def _tested(values: Vector, is_b: NDArray[np.bool_], share: float, config: SequentialConfig) -> dict[str, Any] | None:
    """Return B - A with its interval and test; None where all conversations are in one arm by the share."""
    if not 0 < share < 1:
        return None
    sequence, evidence = arms_sequence(values, is_b, share, config), arms_evidence(values, is_b, share)
    low, high = float(sequence.low[-1]), float(sequence.high[-1])
    return {
        "value": float(sequence.mean[-1]),
        "interval": [low, high] if np.isfinite([low, high]).all() else None,
    } | _verdict(evidence, config)


def _of_teams(conversations: Sequence[Conversation], name: str, config: SequentialConfig) -> dict[str, Any]:
    clicked = [[team for turn in each.turns for team in _clicked_teams(turn, name)] for each in conversations]
    preferred = np.array([preference(each) for each in clicked])
    decided = preferred[preferred != 0]
    return {
        "clicks": {team: sum(each.count(team) for each in clicked) for team in ("A", "B")},
        "preferring": {"A": int((decided > 0).sum()), "B": int((decided < 0).sum())},
        "preference": _verdict(even_evidence(decided > 0), config),
    }


def _clicked_teams(turn: Document, name: str) -> list[Any]:
    """Return the teams of the suggestions that were clicked in a turn."""
    assignment, clicked = _assignment(turn), clicked_of(turn)
    if assignment.get("name") != name:
        return []
    shown = zip(suggestions_of(turn), assignment["teams"], strict=False)
    return [team for slot, team in shown if slot["pair_id"] in clicked]


def _verdict(evidence: Vector, config: SequentialConfig) -> dict[str, Any]:
    return {"p_value": always_valid_p(evidence), "decided_at": decided_at(evidence, config)}


def _first(conversation: Conversation, name: str) -> Mapping[str, Any]:
    """Return the first assignment of a conversation in an experiment; empty where it took no part."""
    found = (_assignment(turn) for turn in conversation.turns)
    return next((each for each in found if each.get("name") == name), {})


def _assignment(turn: Document) -> Mapping[str, Any]:
    return turn["reply"].get("explanation", {}).get("experiment") or {}
