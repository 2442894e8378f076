"""What customers ask next, on whole conversations: our model beside popularity and first-order transitions.

A folder has train, dev and test.csv with `conversation_id,turn,text,intent`. An intent stands for a pair, and several
in one turn are joined by `<div>`. Given are the customer's turns so far with what each one asked, as a log has it.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kb.errors import ImportFileError, InputError, describe
from kb.types import FloatArray
from models.evaluate.bootstrap import bootstrap_interval
from models.next_question import FloatMatrix, NextQuestion, NextQuestionConfig, Step, fit_next

COLUMNS = ("conversation_id", "turn", "text", "intent")
SPLITS = ("train", "dev", "test")
_SEVERAL = "<div>"
Encode = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A customer's turn: what was written, and the intents that it has."""

    text: str
    intents: tuple[str, ...]


def read_conversations(folder: Path, split: str) -> tuple[list[list[Said]], int]:
    """Return the conversations of a split, turns in their order, and how many rows were passed over as unreadable.

    Raises:
        ImportFileError: there is no such file, or it has other columns.
    """
    path = folder / f"{split}.csv"
    found: dict[str, list[tuple[float, Said]]] = defaultdict(list)
    passed_over = 0
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise ImportFileError(
                    describe(
                        expected=f"columns {', '.join(COLUMNS)} in {path}",
                        got=", ".join(reader.fieldnames or ()) or "nothing",
                        remedy="name the columns so",
                    )
                )
            for row in reader:
                said = _said(row)
                if said is None:
                    passed_over += 1
                else:
                    found[row["conversation_id"]].append(said)
    except FileNotFoundError as error:
        raise ImportFileError(
            describe(expected=f"a file {path}", got="none", remedy="name a folder with train, dev and test.csv")
        ) from error
    in_order = [[said for _, said in sorted(turns, key=lambda turn: turn[0])] for turns in found.values()]
    return in_order, passed_over


def next_report(folder: Path, split: str, encode: Encode, config: NextQuestionConfig) -> dict[str, Any]:
    """Return hit@1, hit@3 and MRR of the next intent by popularity, by first-order transitions and by the model.

    Learned on train, and on dev too where test is told. Intervals are by bootstrap over conversations.

    Raises:
        InputError: there is no such split, or nothing to learn from or to ask.
        ImportFileError: a file is missing or not of the format.
    """
    if split not in SPLITS[1:]:
        raise InputError(describe(expected="a split of dev, test", got=repr(split), remedy="name one of them"))
    sources = SPLITS[: SPLITS.index(split)]
    read = {each: read_conversations(folder, each) for each in (*sources, split)}
    known = [conversation for each in sources for conversation in read[each][0]]
    names = sorted({intent for conversation in known for said in conversation for intent in said.intents})
    asked = [each for each in read[split][0] if len(each) > 1]
    if not names or not asked:
        raise InputError(
            describe(expected=f"conversations of two turns in {folder}", got="none", remedy="name another folder")
        )
    row = {name: at for at, name in enumerate(names)}
    texts = sorted({said.text for conversation in (*known, *asked) for said in conversation})
    vectors = dict(zip(texts, encode(texts), strict=True))
    model = fit_next(_steps(known, row, vectors), encode(names), config)
    ranks, group = ranked_next(model, _steps(asked, row, vectors), len(names))
    return {
        "split": split,
        "intents": len(names),
        "turns": len(group),
        "conversations": len(asked),
        "rows_passed_over": sum(passed for _, passed in read.values()),
        "weights": dict(zip(("popular", "followed", "similar", "words"), model.weights.round(4).tolist(), strict=True)),
        **{name: _figures(each, group) for name, each in ranks.items()},
        "gain_over": {
            name: _gain(ranks["model"], ranks[name], group) for name in ("popularity", "first_order_transitions")
        },
    }


def ranked_next(
    model: NextQuestion, conversations: Sequence[Sequence[Step]], count: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the rank from 0 of what was asked next by each way of telling, and the conversation of each turn."""
    ranks: dict[str, list[int]] = defaultdict(list)
    group = []
    for number, conversation in enumerate(conversations):
        for to in range(1, len(conversation)):
            parts = model.parts.of(conversation[:to])
            told = {
                "popularity": parts[0],
                "first_order_transitions": model.parts.first_order(conversation[to - 1].rows[0]),
                "model": np.asarray(model.weights @ parts),
            }
            for name, probabilities in told.items():
                ranks[name].append(_rank(probabilities, conversation[to].rows, count))
            group.append(number)
    return {name: np.array(each) for name, each in ranks.items()}, np.array(group)


def _rank(probabilities: FloatMatrix, rows: Sequence[int], count: int) -> int:
    """Return the best rank of what was asked, from 0; below all where it was never seen in training."""
    known = [row for row in rows if row < count]
    if not known:
        return count
    place = np.empty(count, dtype=np.int64)
    place[np.argsort(-probabilities, kind="stable")] = np.arange(count)
    return int(place[known].min())


def _steps(
    conversations: Sequence[Sequence[Said]], row: dict[str, int], vectors: dict[str, FloatArray]
) -> list[list[Step]]:
    """Return turns as the model takes them; an intent that training doesn't have is a row beyond all."""
    beyond = len(row)
    return [
        [
            Step(rows=tuple(row.get(intent, beyond) for intent in said.intents), vector=vectors[said.text])
            for said in conversation
        ]
        for conversation in conversations
    ]


def _said(row: dict[str, Any]) -> tuple[float, Said] | None:
    """Return number and content of a turn; None where a row is none, such as the rest of a broken line."""
    try:
        number = float(row["turn"])
    except (TypeError, ValueError):
        return None
    intents = tuple(each for each in (row["intent"] or "").split(_SEVERAL) if each)
    return (number, Said(text=row["text"] or "", intents=intents)) if intents else None


def _figures(ranks: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    return {
        "hit_at_1": float((ranks < 1).mean()),
        "hit_at_3": float((ranks < 3).mean()),
        "mrr": float((1 / (ranks + 1)).mean()),
        "hit_at_3_interval": _interval((ranks < 3).astype(np.float64), group),
    }


def _gain(ours: np.ndarray, theirs: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    """Return what the model's hit@3 is above another's, relative and as a difference with its interval."""
    hits = (ours < 3).astype(np.float64), (theirs < 3).astype(np.float64)
    return {
        "relative": float(hits[0].mean() / max(hits[1].mean(), 1e-9) - 1),
        "difference": float(hits[0].mean() - hits[1].mean()),
        "interval": _interval(hits[0] - hits[1], group),
    }


def _interval(values: np.ndarray, group: np.ndarray) -> list[float]:
    sums, counts = np.bincount(group, weights=values), np.bincount(group)
    low, high = bootstrap_interval(lambda at: float(sums[at].sum() / counts[at].sum()), len(counts))
    return [round(low, 4), round(high, 4)]
