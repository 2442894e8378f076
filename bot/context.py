"""A message and what came before it → what it may mean, and which of that the knowledge base speaks for.

A message is read alone and, where the conversation has an answer to lean on, together with the question of that answer:

    vector = encode(message) + together · encode(earlier question + message) - less · encode(earlier question)
    evidence = as ever, of this as a unit vector and of the customer's words then and now,
               + same_topic for the pairs of that topic + asked_next · how often customers asked it next + within,
               without what was just answered

Nothing is written: a reading is the customer's words beside a question of the knowledge base. A message that stands on
its own, such as a change of topic, is taken alone.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kb.retriever import Retriever
from kb.text import clean_line
from kb.types import FloatArray, Retrieved, Transition, Turn
from models.matcher import Matcher

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

_LEAST_NORM = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextConfig:
    """How much the conversation counts in understanding a message."""

    turns: int = 3
    """How many of the newest turns are looked at; 0 takes every message alone."""
    together: float = 1.0
    """Weight of the earlier question with the message, beside 1 for the message alone, in the vector."""
    less: float = 0.2
    """Weight of the earlier question alone, which is taken off: it was answered."""
    same_topic: float = 0.25
    """Added to the evidence of pairs of the topic of the earlier answer."""
    asked_next: float = 0.3
    """Added to the evidence of a pair, times the share in which customers asked it after the earlier answer."""
    within: float = 0.1
    """Added to the evidence of all pairs: what continues a conversation is seldom out of scope."""
    unknown: float = 0.15
    """Taken off the evidence of all pairs where a message has a word that no pair has: it may have left the subject."""
    least: float = 0.04
    """Relevance that the best pair needs for the message alone: one that says less, such as 'really?', asks nothing."""
    chosen: float = 1.0
    """Added to the evidence of what 'the second one' names: the customer has said which."""
    longest: int = 200
    """Characters of the customer's earlier words; for longer ones the question that was answered stands in."""
    smoothing: float = 2.0
    """Transitions that are added to the number seen, so that one alone proves little."""
    verbatim: float = 0.9
    """Cosine from which a message is a pair's very question, or one of any wording of what was just answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a message may mean.

    `question` is what is matched; the vector is of `texts`, which are encoded and weighted. `taken_off` (d,) is the
    vector of the earlier question; `added` (n,) is evidence per pair, -inf for those that can't be meant.
    """

    question: str
    texts: Mapping[str, float]
    taken_off: FloatArray | None = None
    added: FloatArray | None = None
    context: str = ""
    """What was taken from which turn, in words."""
    is_chosen: bool = False
    """Whether the customer said which one of what was offered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """The readings of a message, the message alone first."""

    readings: tuple[Reading, ...]
    given: frozenset[str] = field(default_factory=frozenset)
    """Ids of the pairs that were just answered."""


class ContextReader:
    """Reads messages in their conversations, for one snapshot; keeps nothing between calls."""

    def __init__(
        self, retriever: Retriever, matcher: Matcher, transitions: Sequence[Transition], config: ContextConfig
    ) -> None:
        """Take retriever, matcher and transitions of the same snapshot."""
        self._retriever = retriever
        self._matcher = matcher
        self._config = config
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._topics = np.array([pair.topic for pair in retriever.pairs], dtype=object)
        self._next: dict[str, dict[str, int]] = defaultdict(dict)
        for each in transitions:
            self._next[each.from_pair][each.to_pair] = each.count

    def read(self, message: str, history: Sequence[Turn] = ()) -> Understood:
        """Return what a message may mean after the turns before it, oldest first."""
        alone = Reading(question=message, texts={message: 1.0})
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
        is_alone = len(readings) == 1 or self._stands_alone(retrieved[0], retrieved[1], understood.given)
        best = 0 if is_alone else 1
        return readings[best], retrieved[best]

    def _stands_alone(self, alone: Retrieved, together: Retrieved, given: frozenset[str]) -> bool:
        """Say whether a message needs nothing of what came before."""
        if not together.candidates:
            return True
        first, second = alone.candidates[0], together.candidates[0]
        is_given = first.pair.pair_id in given
        if first.similarity >= self._config.verbatim and (first.role == "question" or is_given):
            return True
        if first.pair.pair_id == second.pair.pair_id and first.evidence >= second.evidence:
            return True
        # A single candidate has nothing to be told from: this costs no reading by a trained matcher.
        best = replace(alone, candidates=alone.candidates[:1], vectors=alone.vectors[:1])
        return float(self._matcher.relevance(best)[0]) < self._config.least

    def _mixed(self, reading: Reading, vectors: Mapping[str, FloatArray]) -> FloatArray:
        if reading.taken_off is None:
            (text,) = reading.texts
            return vectors[text]
        weighted = [np.float32(weight) * vectors[text] for text, weight in reading.texts.items()]
        mixed = np.sum(weighted, axis=0) - np.float32(self._config.less) * reading.taken_off
        return np.asarray(mixed / max(float(np.linalg.norm(mixed)), _LEAST_NORM), dtype=np.float32)

    def _newest_answer(self, turns: Sequence[Turn]) -> tuple[Turn, list[str]] | None:
        """Return the newest turn with an answer that is still known, and the pairs that it showed, best first."""
        for turn in reversed(turns):
            shown = [each["pair_id"] for each in turn.reply.get("responses", ())]
            known = [pair_id for pair_id in shown if pair_id in self._row]
            if known:
                return turn, known
        return None

    def _together(self, message: str, turn: Turn, given: Sequence[str]) -> Reading:
        row = self._row[given[0]]
        before = self._retriever.pairs[row]
        said = clean_line(turn.question)
        # 'The second one' says nothing once what was offered is out of sight; of a long text a matcher reads the start.
        if ordinal_of(said) is not None or len(said) > self._config.longest:
            said = before.question
        return Reading(
            question=f"{said} {message}",
            texts={message: 1.0, f"{before.question} {message}": self._config.together},
            taken_off=self._retriever.question_vectors([row])[0],
            added=self._added(message, given),
            context=f"after '{before.question}', which was answered before",
        )

    def _added(self, message: str, given: Sequence[str]) -> FloatArray:
        config = self._config
        added = np.full(len(self._topics), config.within, dtype=np.float32)
        if self._retriever.unknown_terms(message):
            added -= np.float32(config.unknown)
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
        added[self._row[pair_id]] = self._config.chosen
        return Reading(
            question=question,
            texts={question: 1.0},
            added=added,
            context=f"'{message}' of what was offered",
            is_chosen=True,
        )


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
