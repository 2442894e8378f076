"""A message and what came before it → what it may mean, and which of that the knowledge base speaks for.

A message is read alone and, where the conversation has an answer to lean on, together with the question of that answer:

    vector = mean of encode(message) and encode(question answered before + message), as a unit vector
    evidence = as ever, + topic for pairs of the same topic, + follows · how often customers asked it next,
               and without what was just answered

Nothing is written: a reading is the customer's words beside a question of the knowledge base. A message that stands on
its own, such as a change of topic, is taken alone.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kb.retriever import Retriever
from kb.types import FloatArray, Retrieved, Transition, Turn

_NUMBERS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5,
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "last": 0, "latter": 0, "former": 1,
}  # fmt: skip
"""What is counted from 1; 0 is the last one."""
_NAMED = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_ORDINAL = re.compile(
    r"(?:(?:i mean|i meant|tell me about|show me|yes|ok|and|no)[\s,:]+)*"
    rf"(?:(?:the|that)\s+(?:very\s+)?(?P<the>{_NAMED})(?:\s+(?:one|question|option))?(?:\s+(?:of\s+)?(?:these|those|them))?"
    rf"|(?:number|no|nr|option|question|#)\.?\s*(?P<number>\d|{_NAMED})|(?P<digit>\d))"
    r"(?:[\s,]+please)?[\s.!?]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextConfig:
    """How much the conversation counts in understanding a message."""

    turns: int = 3
    """How many of the newest turns are looked at; 0 takes every message alone."""
    together: float = 1.0
    """Weight of the message with the earlier question, beside 1 for the message alone, in the vector."""
    same_topic: float = 0.2
    """Added to the evidence of pairs of the topic of the earlier answer."""
    asked_next: float = 0.3
    """Added to the evidence of a pair, times the share in which customers asked it after the earlier answer."""
    within: float = 0.05
    """Added to the evidence of all pairs: what continues a conversation is seldom out of scope."""
    smoothing: float = 2.0
    """Transitions that are added to the number seen, so that one alone proves little."""
    verbatim: float = 0.9
    """Cosine with a pair's question, or any text of what was just answered, from which a message is that very question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a message may mean: `texts` whose weighted vectors are one, and what speaks for pairs besides."""

    question: str
    texts: tuple[str, ...]
    added: FloatArray | None = None
    """Evidence per pair (n,); -inf for those that can't be meant."""
    context: str = ""
    """What was taken from which turn, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """The readings of a message, the message alone first."""

    readings: tuple[Reading, ...]
    given: frozenset[str] = field(default_factory=frozenset)
    """Ids of the pairs that were just answered."""


class ContextReader:
    """Reads messages in their conversations, for one snapshot; keeps nothing between calls."""

    def __init__(self, retriever: Retriever, transitions: Sequence[Transition], config: ContextConfig) -> None:
        """Take the retriever and transitions of the same snapshot."""
        self._retriever = retriever
        self._config = config
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._topics = np.array([pair.topic for pair in retriever.pairs], dtype=object)
        self._next: dict[str, dict[str, int]] = defaultdict(dict)
        for each in transitions:
            self._next[each.from_pair][each.to_pair] = each.count

    def read(self, message: str, history: Sequence[Turn] = ()) -> Understood:
        """Return what a message may mean after the turns before it, oldest first."""
        alone = Reading(question=message, texts=(message,))
        turns = list(history)[-self._config.turns :] if self._config.turns else []
        if not turns:
            return Understood(readings=(alone,))
        chosen = self._chosen(message, turns[-1])
        if chosen is not None:
            return Understood(readings=(chosen,))
        found = self._newest_answer(turns)
        if found is None:
            return Understood(readings=(alone,))
        turn, given = found
        return Understood(readings=(alone, self._together(message, turn, given)), given=frozenset(given))

    def retrieve(self, understood: Understood) -> tuple[Reading, Retrieved]:
        """Return the reading that the knowledge base speaks for, and its candidates; all is encoded in one call."""
        readings = understood.readings
        if len(readings) == 1 and readings[0].added is None:
            return readings[0], self._retriever.retrieve(readings[0].question)
        texts = list(dict.fromkeys(text for reading in readings for text in reading.texts))
        vectors = dict(zip(texts, self._retriever.encoder.encode(texts), strict=True))
        retrieved = [
            self._retriever.retrieve_known(reading.question, self._mixed(reading, vectors), added=reading.added)
            for reading in readings
        ]
        best = 0 if len(readings) == 1 or self._stands_alone(*retrieved, understood.given) else 1
        return readings[best], retrieved[best]

    def _stands_alone(self, alone: Retrieved, together: Retrieved, given: frozenset[str]) -> bool:
        """Say whether a message needs nothing of what came before."""
        if not together.candidates:
            return True
        first, second = alone.candidates[0], together.candidates[0]
        is_given = first.pair.pair_id in given
        if first.similarity >= self._config.verbatim and (first.role == "question" or is_given):
            return True
        return first.pair.pair_id == second.pair.pair_id and first.evidence >= second.evidence

    def _mixed(self, reading: Reading, vectors: Mapping[str, FloatArray]) -> FloatArray:
        alone, *others = (vectors[text] for text in reading.texts)
        if not others:
            return alone
        mixed = alone + np.float32(self._config.together) * np.sum(others, axis=0)
        return np.asarray(mixed / np.linalg.norm(mixed), dtype=np.float32)

    def _newest_answer(self, turns: Sequence[Turn]) -> tuple[Turn, list[str]] | None:
        """Return the newest turn with an answer that is still known, and the pairs that it showed, best first."""
        for turn in reversed(turns):
            shown = [each["pair_id"] for each in turn.reply.get("responses", ())]
            known = [pair_id for pair_id in shown if pair_id in self._row]
            if known:
                return turn, known
        return None

    def _together(self, message: str, turn: Turn, given: Sequence[str]) -> Reading:
        before = self._retriever.pairs[self._row[given[0]]]
        question = f"{before.question} {message}"
        return Reading(
            question=question,
            texts=(message, question),
            added=self._added(given),
            context=f"after '{before.question}', which was answered before",
        )

    def _added(self, given: Sequence[str]) -> FloatArray:
        config = self._config
        added = np.full(len(self._topics), config.within, dtype=np.float32)
        topic = self._topics[self._row[given[0]]]
        if topic:
            added[self._topics == topic] += np.float32(config.same_topic)
        counts = self._next.get(given[0], {})
        total = sum(counts.values()) + config.smoothing
        for pair_id, count in counts.items():
            if pair_id in self._row:
                added[self._row[pair_id]] += np.float32(config.asked_next * count / total)
        added[[self._row[pair_id] for pair_id in given]] = -np.inf
        return added

    def _chosen(self, message: str, turn: Turn) -> Reading | None:
        """Return the question that 'the second one' names, out of those that the last turn offered."""
        number = ordinal_of(message)
        offered = [each for each in _offered(turn.reply) if each["pair_id"] in self._row]
        if number is None or number > len(offered) or not offered:
            return None
        pair_id = offered[number - 1]["pair_id"]
        question = self._retriever.pairs[self._row[pair_id]].question
        added = np.full(len(self._topics), -np.inf, dtype=np.float32)
        added[self._row[pair_id]] = 0.0
        return Reading(question=question, texts=(question,), added=added, context=f"'{message}' of what was offered")


def ordinal_of(message: str) -> int | None:
    """Return which one a message names, from 1, and 0 for the last; None where it names none."""
    found = _ORDINAL.fullmatch(message.strip())
    if found is None:
        return None
    name = next(group for group in found.groups() if group).lower()
    number = int(name) if name.isdigit() else _NUMBERS[name]
    return number if number or name in ("last", "latter") else None


def _offered(reply: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what a reply offered to choose from: options, else follow-ups, else its further answers."""
    return reply.get("options") or reply.get("follow_ups") or list(reply.get("responses", ()))[1:]
