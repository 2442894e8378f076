"""Where given pairs go: each one is added, updates a pair, is merged into one, changes nothing, or conflicts.

Works batch by batch: what a batch may concern is read by hash, decided in memory, and written in bulk. So the memory is
that of one batch, whatever the size of the import or of the knowledge base.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from enum import Enum
from itertools import count
from typing import Literal

from sqlalchemy import Connection, select

from kb.batch import Batch, Known, rehash
from kb.errors import InputError, describe
from kb.tables import PairRow
from kb.text import clean_line, clean_markdown, normalised, text_hash
from kb.types import QAPair

PairOutcome = Literal["added", "updated", "merged", "unchanged", "conflicting"]

_BATCH_PAIRS = 500
_BATCH_TEXTS = 5_000
_HASH_DIGITS = 32
_ID_DIGITS = 12


class DuplicatePolicy(Enum):
    """What happens to a pair without an id whose question is known with another answer."""

    KEEP = "keep"
    """The known answer stays; the given pair is counted as conflicting and is not stored."""
    REPLACE = "replace"
    """The given answer takes the place of the known one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpsertCounts:
    """How many of the given pairs had which outcome; they add up to the number given."""

    added: int = 0
    updated: int = 0
    merged: int = 0
    unchanged: int = 0
    conflicting: int = 0

    @property
    def total(self) -> int:
        """The number of pairs given."""
        return sum(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class UpsertedPair:
    """What became of one given pair.

    `position` counts from 0 in what was given; `pair_id` is the pair that it now is, or that it conflicts with.
    """

    position: int
    outcome: PairOutcome
    pair_id: str


Report = Callable[[UpsertedPair], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """A pair as given, cleaned; `phrasings` by the hash of their normalised text, in order."""

    pair_id: str
    question: str
    answer: str
    topic: str
    locale: str
    source: str
    question_hash: str
    answer_hash: str
    phrasings: dict[str, str]

    def known(self, pair_id: str, *, stored: bool = False) -> Known:
        """Return the pair that this becomes when it is stored under an id."""
        return Known(
            pair_id=pair_id,
            question=self.question,
            answer=self.answer,
            topic=self.topic,
            locale=self.locale,
            source=self.source,
            question_hash=self.question_hash,
            answer_hash=self.answer_hash,
            stored=stored,
        )


def upsert_pairs(
    connection: Connection, pairs: Iterable[QAPair], policy: DuplicatePolicy, report: Report | None
) -> UpsertCounts:
    """Store the pairs in an open transaction; `KnowledgeStore.upsert` tells by which rules.

    Raises:
        InputError: a pair without a question or an answer.
    """
    counts: Counter[PairOutcome] = Counter()
    touched: set[str] = set()
    for batch_given in _batches(pairs):
        batch = Batch.load(
            connection,
            pair_ids=[given.pair_id or _new_id(given) for given in batch_given],
            texts={digest for given in batch_given for digest in (given.question_hash, *given.phrasings)},
            answers={given.answer_hash for given in batch_given},
        )
        for given in batch_given:
            outcome, pair_id = _place(connection, batch, given, policy)
            if report is not None:
                report(UpsertedPair(position=counts.total(), outcome=outcome, pair_id=pair_id))
            counts[outcome] += 1
        touched |= batch.write(connection)
    rehash(connection, touched)
    return UpsertCounts(**{str(outcome): number for outcome, number in counts.items()})


def _batches(pairs: Iterable[QAPair]) -> Iterator[list[_Given]]:
    batch: list[_Given] = []
    texts = 0
    for position, pair in enumerate(pairs):
        given = _prepare(pair, position)
        batch.append(given)
        texts += 1 + len(given.phrasings)
        if len(batch) >= _BATCH_PAIRS or texts >= _BATCH_TEXTS:
            yield batch
            batch, texts = [], 0
    if batch:
        yield batch


def _prepare(pair: QAPair, position: int) -> _Given:
    question, answer = clean_line(pair.question), clean_markdown(pair.answer)
    if not question or not answer:
        missing = "answer" if question else "question"
        raise InputError(
            describe(
                expected="a question and an answer in every pair",
                got=f"an empty {missing} in pair {position + 1} ({pair.pair_id or 'without id'})",
                remedy="fill it in or leave the pair out",
            )
        )
    question_hash = _hash(question)
    phrasings: dict[str, str] = {}
    for phrasing in map(clean_line, pair.phrasings):
        digest = _hash(phrasing)
        if phrasing and digest != question_hash:
            phrasings.setdefault(digest, phrasing)
    return _Given(
        pair_id=clean_line(pair.pair_id),
        question=question,
        answer=answer,
        topic=clean_line(pair.topic),
        locale=clean_line(pair.locale),
        source=clean_line(pair.source),
        question_hash=question_hash,
        answer_hash=_hash(answer),
        phrasings=phrasings,
    )


def _hash(text: str) -> str:
    return text_hash(normalised(text))[:_HASH_DIGITS]


def _place(connection: Connection, batch: Batch, given: _Given, policy: DuplicatePolicy) -> tuple[PairOutcome, str]:
    """Decide what becomes of a pair and note it in the batch."""
    if given.pair_id:
        return _place_by_id(batch, given), given.pair_id
    same, claims = [], []
    for known, origin in batch.holders((given.question_hash, given.locale)):
        if known.answer_hash == given.answer_hash:
            same.append(known)
        elif origin == "asked":
            claims.append(known)
    # Several pairs with ids may say the same: the one that has all the phrasings got them from this very pair before.
    complete = next((known for known in same if batch.phrases(known, given.phrasings)), None)
    if complete:
        return "unchanged", complete.pair_id
    # Where another pair claims the question nothing is added, lest the order of the pairs decide who gets it.
    if same and not (claims and policy is DuplicatePolicy.KEEP):
        _add_phrasings(batch, same[0], given)
        return "merged", same[0].pair_id
    if claims and policy is DuplicatePolicy.KEEP:
        return "conflicting", claims[0].pair_id
    if claims:
        return _replace(connection, batch, given, claims)
    return _add(connection, batch, given)


def _place_by_id(batch: Batch, given: _Given) -> PairOutcome:
    known = batch.pairs.get(given.pair_id)
    if known is None or not known.active:
        batch.put(given.known(given.pair_id, stored=known is not None and known.stored))
        _add_phrasings(batch, batch.pairs[given.pair_id], given)
        return "added"
    now = given.known(given.pair_id, stored=known.stored)
    # What a file doesn't tell it doesn't take away.
    now.topic = now.topic or known.topic
    now.source = now.source or known.source
    if now != known:
        batch.put(now)
    phrased = _add_phrasings(batch, batch.pairs[given.pair_id], given)
    return "updated" if now != known or phrased else "unchanged"


def _replace(connection: Connection, batch: Batch, given: _Given, claims: list[Known]) -> tuple[PairOutcome, str]:
    """Let the given answer take the place of the known one."""
    for known in claims:
        if known.question_hash == given.question_hash:
            now = given.known(known.pair_id, stored=known.stored)
            now.question, now.topic = known.question, known.topic or given.topic
            batch.put(now)
            _add_phrasings(batch, now, given)
            return "updated", known.pair_id
    # The question was merged into a pair as a phrasing: it leaves that pair, whose own question keeps its answer.
    for known in claims:
        batch.drop_phrasing(known, given.question_hash)
    return "updated", _add(connection, batch, given)[1]


def _add(connection: Connection, batch: Batch, given: _Given) -> tuple[PairOutcome, str]:
    """Merge the question into the pair that gives the same answer, or else make a new pair."""
    known = batch.answering((given.answer_hash, given.locale))
    if known is not None:
        batch.add_phrasing(known, given.question_hash, given.question, "asked")
        _add_phrasings(batch, known, given)
        return "merged", known.pair_id
    pair_id, stored = _free_id(connection, batch, given)
    known = given.known(pair_id, stored=stored)
    batch.put(known)
    _add_phrasings(batch, known, given)
    return "added", pair_id


def _add_phrasings(batch: Batch, known: Known, given: _Given) -> bool:
    """Give the pair the listed phrasings; return whether one of them is new to it."""
    new = [batch.add_phrasing(known, digest, text, "listed") for digest, text in given.phrasings.items()]
    return any(new)


def _new_id(given: _Given, attempt: int = 0) -> str:
    """Return an id that is the same wherever this question has this answer; another one for every attempt."""
    digest = text_hash(f"{given.locale}\n{given.question_hash}\n{given.answer_hash}\n{attempt}")
    return f"p-{digest[:_ID_DIGITS]}"


def _free_id(connection: Connection, batch: Batch, given: _Given) -> tuple[str, bool]:
    """Return an id of the pair's own, and whether a row has it: its own row, from before it was retired.

    The first id may be taken by a pair that was changed since, or by one whose hash begins alike.
    """
    for attempt in count():
        pair_id = _new_id(given, attempt)
        known = batch.pairs.get(pair_id)
        if known is not None:
            if not known.active and known.question_hash == given.question_hash:
                return pair_id, known.stored
        # The batch was loaded with every first id.
        elif attempt == 0 or connection.scalar(select(PairRow.pair_id).where(PairRow.pair_id == pair_id)) is None:
            return pair_id, False
    raise AssertionError("count() does not end")
