"""Two configurations on one log: what each would have shown, and what that would have been worth.

Where the log explored its suggestions, their clicks are estimated for each (`bot.offline`). Answers are not explored:
votes and confirmed resolution are known for a configuration only where it answers as was logged, and no difference can
be estimated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.chatbot import ChatBot
from bot.conversations import Conversation, suggestions_of
from bot.offline import Estimate, OfflineConfig, Overlap, compare
from bot.offline_intervals import Ratio, interval, totals_by
from bot.offline_replay import NAMES, Name, Replayed
from bot.offline_slots import slots_of

Vector = NDArray[np.float64]

NOTHING_EXPLORED = (
    "no suggestion in the log was explored: all were certain, so that nothing is known of what was not shown. Only "
    "agreement is told; explore a share of the suggestions, and compare again"
)
ANSWERS_NOT_EXPLORED = (
    "answers are not explored: votes and resolution are told where a configuration answers as was logged, and for the "
    "difference nothing can be estimated"
)


def comparison_report(
    rows: Sequence[Replayed],
    conversations: Sequence[Conversation],
    bot: ChatBot,
    config: OfflineConfig | None = None,
) -> dict[str, Any]:
    """Return what is known of both configurations, ready for `json.dumps`; None stands for what can't be known."""
    shown = [each for each in rows if suggestions_of(each.turn)]
    explored = [each for each in shown if each.is_explored]
    notes = [] if explored else [NOTHING_EXPLORED]
    clicks = _click_rates(explored, bot, config or OfflineConfig(), notes) if explored else None
    present = bot.snapshot
    return {
        "turns": len(rows),
        "with_suggestions": len(shown),
        "explored": len(explored),
        "other_snapshot": sum(each.turn["reply"]["snapshot"]["index"] != present.index for each in rows),
        "agreement": _agreement(rows, shown),
        "suggestions_per_turn": {
            "logged": _mean([len(suggestions_of(each.turn)) for each in rows]),
            **{name: _mean([len(each.pairs(name)) for each in rows]) for name in NAMES},
        },
        "click_rate": clicks,
        "votes": _votes(rows),
        "resolution": _resolution(rows, conversations),
        "notes": [*notes, ANSWERS_NOT_EXPLORED],
    }


def _agreement(rows: Sequence[Replayed], shown: Sequence[Replayed]) -> dict[str, Any]:
    """Return the share of turns in which suggestions, and answers, are the same."""

    def logged(each: Replayed) -> list[str]:
        return [one["pair_id"] for one in suggestions_of(each.turn)]

    return {
        "suggestions": {
            **{name: _mean([each.pairs(name) == logged(each) for each in shown]) for name in NAMES},
            "a_and_b": _mean([each.pairs("a") == each.pairs("b") for each in shown]),
        },
        "answers": {
            **{name: _mean([each.answers_as_logged(name) for each in rows]) for name in NAMES},
            "a_and_b": _mean([each.answers("a") == each.answers("b") for each in rows]),
        },
    }


def _click_rates(
    explored: Sequence[Replayed], bot: ChatBot, config: OfflineConfig, notes: list[str]
) -> dict[str, Any] | None:
    """Return the clicks per suggestion shown: as logged, of both, and A - B; None where nothing speaks for one."""
    logged, targets = slots_of(explored, bot)
    silent = [name for name in NAMES if not targets[name].probability.any()]
    if silent or len(set(logged.conversation)) < 2:
        notes.extend(
            f"{name.upper()} shows nothing of what was logged: nothing is known of its clicks" for name in silent
        )
        if not silent:
            notes.append("all that was explored is of one conversation, from which nothing can be concluded")
        return None
    found = compare(logged, targets["a"], targets["b"], config=config)
    for name, overlap in (("A", found.overlap_a), ("B", found.overlap_b)):
        notes.extend(f"{name}: {warning}" for warning in overlap.warnings)
    return {
        "logged": _mean(logged.reward),
        "a": _documents(found.a, found.overlap_a),
        "b": _documents(found.b, found.overlap_b),
        "difference": _documents(found.difference),
        "clip": config.clip if np.isfinite(config.clip) else None,
    }


def _votes(rows: Sequence[Replayed]) -> dict[str, Any]:
    """Return the share of up among votes on turns that a configuration answers as was logged."""
    voted = [each for each in rows if each.turn["vote"]]
    value = np.array([each.turn["vote"] == 1 for each in voted], dtype=np.float64)
    group = np.array([each.turn["conversation"] for each in voted])
    same = {name: np.array([each.answers_as_logged(name) for each in voted], dtype=bool) for name in NAMES}
    return _on_overlap(value, group, same)


def _resolution(rows: Sequence[Replayed], conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return the share confirmed as resolved among conversations of which all turns are answered as was logged."""
    differ: dict[Name, set[str]] = {
        name: {each.turn["conversation"] for each in rows if not each.answers_as_logged(name)} for name in NAMES
    }
    known = {each.turn["conversation"] for each in rows}
    judged = [each for each in conversations if each.conversation in known]
    value = np.array([each.resolved for each in judged], dtype=np.float64)
    group = np.array([each.conversation for each in judged])
    same = {name: np.array([each.conversation not in differ[name] for each in judged], dtype=bool) for name in NAMES}
    return _on_overlap(value, group, same)


def _on_overlap(value: Vector, group: NDArray[np.str_], same: Mapping[Name, NDArray[np.bool_]]) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(value), "logged": _mean(value)}
    for name in NAMES:
        chosen = same[name]
        kept = value[chosen]
        found[name] = {"n": int(chosen.sum()), "share": _mean(kept), "interval": None}
        if len(np.unique(group[chosen])) > 1:
            total, count = totals_by(group[chosen], [kept, np.ones(len(kept))])
            of_it = interval(Ratio(numerator=total, denominator=count))
            if of_it.standard_error > 0:
                found[name]["interval"] = [max(0.0, of_it.low), min(1.0, of_it.high)]
    found["difference"] = None
    return found


def _documents(estimates: Mapping[Any, Estimate], overlap: Overlap | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        method: {"value": each.value, "standard_error": each.standard_error, "interval": list(each.interval)}
        for method, each in estimates.items()
    }
    return found if overlap is None else found | {"overlap": asdict(overlap)}


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
