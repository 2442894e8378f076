"""Written dialogues through the bot in service, turn by turn, with its own replies as the conversation.

A file has one dialogue a line:

    {"dialogue": "d001", "split": "tune", "turns": [{"question": "...", "pair_id": "..."}, ...]}

A turn that can't be answered without the conversation has "depends": true; one that nothing answers an empty pair_id.
Where the bot asks back and the right pair is among the options, the customer clicks it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bot.chatbot import ChatBot
from bot.labelled import read_lines
from kb.codec import reply_to_json
from kb.errors import ImportFileError, describe
from kb.types import Context, Reply, Turn
from models.evaluate.bootstrap import bootstrap_interval

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedTurn:
    """What a customer says, and the pair that answers it; none where nothing does."""

    question: str
    pair_id: str = ""
    depends: bool = False
    """Whether it can't be answered without the turns before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialogue:
    """Two or more turns of one customer."""

    dialogue_id: str
    split: str
    turns: tuple[AskedTurn, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """What the bot did with a turn: `first` is the pair that it held for most likely, shown or not."""

    dialogue: int
    ordinal: int
    turn: AskedTurn
    answered: bool
    first: str
    latency_ms: float
    clicked: bool = False
    """Whether the bot asked back, and the customer clicked the right one of the options."""

    @property
    def is_right(self) -> bool:
        """Whether the right answer came first, or none where there is none."""
        return self.answered and self.first == self.turn.pair_id if self.turn.pair_id else not self.answered


def read_dialogues(path: Path, split: str = "") -> list[Dialogue]:
    """Return the dialogues of a file, or those of one split.

    Raises:
        ImportFileError: there is no such file, a line is not of the format, or no dialogue is left.
    """
    found = [_dialogue(row, number, path) for number, row in enumerate(read_lines(path), start=1)]
    kept = [each for each in found if split in ("", each.split)]
    if not kept:
        splits = ", ".join(sorted({each.split for each in found})) or "nothing"
        raise ImportFileError(
            describe(
                expected=f"dialogues of the split {split or 'any'} in {path}",
                got=splits,
                remedy="name another split or file",
            )
        )
    return kept


def play(
    bot: ChatBot, dialogues: Sequence[Dialogue], *, alone: bool = False, progress: Progress | None = None
) -> list[Played]:
    """Ask every turn, in a conversation with the bot's own replies; `alone` asks each as if nothing came before.

    Raises:
        MessageError: a turn has nothing to read.
    """
    played: list[Played] = []
    for number, dialogue in enumerate(dialogues):
        history: list[Turn] = []
        for ordinal, asked in enumerate(dialogue.turns):
            context = Context(conversation_id=dialogue.dialogue_id, history=() if alone else tuple(history))
            started = time.perf_counter()
            reply = bot.answer(asked.question, context)
            latency_ms = 1000 * (time.perf_counter() - started)
            history.append(turn_of(dialogue, len(history), asked.question, reply))
            option = _right_option(asked, reply)
            if option:
                reply = bot.answer(option, replace(context, history=tuple(history), clicked=True))
                history.append(turn_of(dialogue, len(history), option, reply))
            each = _played(number, ordinal, asked, reply, latency_ms)
            played.append(replace(each, clicked=bool(option)))
        if progress is not None:
            progress(number + 1, len(dialogues))
    return played


def dialogue_report(together: Sequence[Played], alone: Sequence[Played] | None = None) -> dict[str, Any]:
    """Return the shares of turns that were dealt with rightly, by kind of turn, with 95 % bootstrap intervals.

    Resampled are dialogues, since the turns of one depend on each other. Where each turn was also taken alone, the same
    is told of that, and the difference.
    """
    report: dict[str, Any] = {
        "n": len({each.dialogue for each in together}),
        **{f"n_{kind}": sum(map(is_of, together)) for kind, is_of in KINDS.items()},
        **_figures(together),
    }
    if alone is not None:
        report["alone"] = _figures(alone)
        report["together_minus_alone"] = _differences(together, alone)
    return report


def _is_later(each: Played) -> bool:
    return each.ordinal > 0 and bool(each.turn.pair_id)


KINDS: Mapping[str, Callable[[Played], bool]] = {
    "first_turns": lambda each: each.ordinal == 0,
    "later_turns": _is_later,
    "dependent": lambda each: _is_later(each) and each.turn.depends,
    "independent": lambda each: _is_later(each) and not each.turn.depends,
    "unanswerable": lambda each: not each.turn.pair_id,
}
"""The kinds of turns that are told apart; of those that nothing answers, the share that was refused is told."""


def _figures(played: Sequence[Played]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    intervals: dict[str, list[float]] = {}
    for kind, is_of in KINDS.items():
        chosen = [each for each in played if is_of(each)]
        if not chosen:
            continue
        values = np.array([each.is_right for each in chosen], dtype=np.float64)
        report[kind] = float(values.mean())
        intervals[kind] = _interval(values, chosen)
    later = [each for each in played if _is_later(each)]
    if later:
        # Right, had the bot dared: what confidence costs is the difference to `later_turns`.
        report["later_p_at_1"] = float(np.mean([each.first == each.turn.pair_id for each in later]))
        report["later_at_once"] = float(np.mean([each.is_right and not each.clicked for each in later]))
        report["latency_ms"] = {
            "first": float(np.median([each.latency_ms for each in played if each.ordinal == 0])),
            "later": float(np.median([each.latency_ms for each in later])),
        }
    return report | {"intervals": intervals}


def _differences(together: Sequence[Played], alone: Sequence[Played]) -> dict[str, list[float]]:
    """Return mean and interval of together - alone on the same turns."""
    found: dict[str, list[float]] = {}
    for kind, is_of in KINDS.items():
        pairs = [(ours, theirs) for ours, theirs in zip(together, alone, strict=True) if is_of(ours)]
        if pairs:
            values = np.array([float(ours.is_right) - float(theirs.is_right) for ours, theirs in pairs])
            found[kind] = [round(float(values.mean()), 4), *_interval(values, [ours for ours, _ in pairs])]
    return found


def _interval(values: np.ndarray[Any, np.dtype[np.float64]], chosen: Sequence[Played]) -> list[float]:
    """Return the 95 % interval of a mean over turns, by resampling dialogues."""
    _, group = np.unique([each.dialogue for each in chosen], return_inverse=True)
    sums, counts = np.bincount(group, weights=values), np.bincount(group)
    low, high = bootstrap_interval(lambda at: float(sums[at].sum() / counts[at].sum()), len(counts))
    return [round(low, 4), round(high, 4)]


def _dialogue(row: Mapping[str, Any], number: int, path: Path) -> Dialogue:
    try:
        turns = tuple(AskedTurn(**turn) for turn in row["turns"])
        dialogue = Dialogue(dialogue_id=row["dialogue"], split=row.get("split", ""), turns=turns)
    except (KeyError, TypeError) as error:
        raise _malformed(number, path, str(error)) from error
    if len(turns) < 2:
        raise _malformed(number, path, f"{len(turns)} turns")
    return dialogue


def _malformed(number: int, path: Path, got: str) -> ImportFileError:
    expected = f"a dialogue, a split and two or more turns of question and pair_id in line {number} of {path.name}"
    return ImportFileError(describe(expected=expected, got=got, remedy="mend the line"))


def _played(number: int, ordinal: int, asked: AskedTurn, reply: Reply, latency_ms: float) -> Played:
    ranked = [each.pair_id for each in reply.responses] + [each.pair_id for each in reply.explanation.runners_up]
    return Played(
        dialogue=number,
        ordinal=ordinal,
        turn=asked,
        answered=reply.outcome in ("answered", "clarifying"),
        # An option is not an answer yet.
        first=ranked[0] if ranked and reply.outcome != "clarifying" else "",
        latency_ms=latency_ms,
    )


def _right_option(asked: AskedTurn, reply: Reply) -> str:
    """Return the question of the right option where the bot asked back; empty where there is none."""
    options = reply.follow_ups if reply.outcome == "clarifying" else ()
    return next((each.question for each in options if each.pair_id == asked.pair_id), "")


def turn_of(dialogue: Dialogue, ordinal: int, question: str, reply: Reply) -> Turn:
    """Return a turn of a dialogue as the log would have it."""
    return Turn(
        turn_id=f"{dialogue.dialogue_id}-{ordinal}",
        conversation_id=dialogue.dialogue_id,
        ordinal=ordinal,
        question=question,
        outcome=reply.outcome,
        confidence=reply.confidence,
        reply=reply_to_json(reply),
        created_at=datetime.now(UTC),
    )
