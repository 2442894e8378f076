"""How much of what the bot gets right it still gets right when the questions are disturbed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.chatbot import ChatBot
from bot.disturbances import KINDS, disturb
from bot.labelled import Labelled
from kb.errors import InputError, describe
from models.evaluate.bootstrap import mean_interval, paired_difference

Progress = Callable[[str, int, int], None]
"""Told the name of the stage, what is done of it, and all that is to do."""
Vector = NDArray[np.float64]

_BATCH = 256
_OTHER_SHARES = (0.05, 0.15)
_EXAMPLES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What happens to every question."""

    share: float = 0.10
    """Of its characters that are hit; at least one is."""
    kinds: tuple[str, ...] = tuple(KINDS)
    seed: int = 0


def checked(disturbance: Disturbance) -> Disturbance:
    """Return a disturbance that can be made.

    Raises:
        InputError: a kind has no such name, there is none, or the share is not in 0..1.
    """
    unknown = [kind for kind in disturbance.kinds if kind not in KINDS]
    if unknown or not disturbance.kinds:
        raise InputError(
            describe(
                expected=f"kinds out of {', '.join(KINDS)}", got=", ".join(unknown) or "none", remedy="name one of them"
            )
        )
    if not 0 < disturbance.share <= 1:
        raise InputError(
            describe(expected="a share above 0, at most 1", got=str(disturbance.share), remedy="give another --share")
        )
    return disturbance


def disturbed(questions: Sequence[Labelled], how: Disturbance) -> list[Labelled]:
    """Return the questions disturbed, each by a generator of its own: what happens to one depends on no other."""
    return [
        replace(each, question=disturb(each.question, how.share, how.kinds, np.random.default_rng([how.seed, at])))
        for at, each in enumerate(questions)
    ]


def robustness_report(
    bot: ChatBot, questions: Sequence[Labelled], how: Disturbance, progress: Progress | None = None
) -> dict[str, Any]:
    """Return accuracy of the questions in scope, undisturbed and disturbed, and the share refused of those out of it.

    Args:
        bot: that is asked.
        questions: labelled, with one in scope at least.
        how: see `Disturbance`.
        progress: told of each stage.

    Returns:
        `n` in scope, `share`, `accuracy`, `accuracy_disturbed` with all kinds mixed, `drop` and the `intervals` of
        these; `by_kind` and `by_share`, each with `accuracy`, `drop` and its `interval`; where there are questions out
        of scope, `n_oos`, `oos_recall` and `oos_recall_disturbed`; and `examples` that were right undisturbed alone.
    """
    inside = [each for each in questions if each.right]
    if not inside:
        raise InputError(describe(expected="questions in scope", got="none", remedy="name another test file"))
    undisturbed = hits(bot, inside, "Undisturbed", progress)
    typed = disturbed(inside, how)
    mixed = hits(bot, typed, "Disturbed", progress)

    def told(name: str, other: Disturbance) -> dict[str, Any]:
        return _figures(undisturbed, hits(bot, disturbed(inside, other), name, progress))

    drop, low, high = paired_difference(undisturbed, mixed)
    report: dict[str, Any] = {
        "n": len(inside),
        "share": how.share,
        "accuracy": float(undisturbed.mean()),
        "accuracy_disturbed": float(mixed.mean()),
        "drop": drop,
        "intervals": {
            "accuracy": list(mean_interval(undisturbed)),
            "accuracy_disturbed": list(mean_interval(mixed)),
            "drop": [low, high],
        },
        "by_kind": {kind: told(kind, replace(how, kinds=(kind,))) for kind in how.kinds},
        "by_share": {str(share): told(f"Share {share}", replace(how, share=share)) for share in _OTHER_SHARES},
        "examples": _examples(inside, typed, undisturbed, mixed),
    }
    return report | _out_of_scope(bot, [each for each in questions if not each.right], how, progress)


def hits(
    bot: ChatBot, questions: Sequence[Labelled], stage: str = "Asking", progress: Progress | None = None
) -> Vector:
    """Return for each question (n,) whether the first pair is right, 1 or 0."""
    found: list[bool] = []
    for start in range(0, len(questions), _BATCH):
        some = questions[start : start + _BATCH]
        for each, matches in zip(some, bot.rank_all([each.question for each in some]), strict=True):
            found.append(bool(matches) and matches[0].pair.pair_id in each.right)
        if progress is not None:
            progress(stage, len(found), len(questions))
    return np.array(found, dtype=np.float64)


def _figures(undisturbed: Vector, found: Vector) -> dict[str, Any]:
    drop, low, high = paired_difference(undisturbed, found)
    return {"accuracy": float(found.mean()), "drop": drop, "interval": [low, high]}


def _out_of_scope(
    bot: ChatBot, questions: Sequence[Labelled], how: Disturbance, progress: Progress | None
) -> dict[str, Any]:
    if not questions:
        return {}
    refused = []
    for name, asked in (("Out of scope", questions), ("Out of scope, disturbed", disturbed(questions, how))):
        outcomes = []
        for each in asked:
            outcomes.append(bot.answer(each.question).outcome != "answered")
            if progress is not None:
                progress(name, len(outcomes), len(asked))
        refused.append(float(np.mean(outcomes)))
    return {"n_oos": len(questions), "oos_recall": refused[0], "oos_recall_disturbed": refused[1]}


def _examples(
    inside: Sequence[Labelled], typed: Sequence[Labelled], undisturbed: Vector, mixed: Vector
) -> list[dict[str, str]]:
    lost = np.flatnonzero(undisturbed > mixed)[:_EXAMPLES].tolist()
    return [
        {"question": inside[at].question, "disturbed": typed[at].question, "right": min(inside[at].right)}
        for at in lost
    ]
