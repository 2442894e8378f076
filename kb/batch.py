"""The part of the knowledge base that a batch of given pairs concerns: read by hash, changed, written in bulk."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from kb.tables import ACTIVE, PairRow, PhrasingRow
from kb.text import content_hash

Origin = Literal["asked", "listed"]
"""A question that was given as one claims its text; a phrasing that was only listed beside a pair does not."""

_CHUNK = 5_000
_Item = TypeVar("_Item")


@dataclass(kw_only=True, slots=True)
class Known:
    """A pair as it will be after the batch; `stored` tells whether it has a row, `active` whether it is served."""

    pair_id: str
    question: str
    answer: str
    topic: str
    locale: str
    source: str
    question_hash: str
    answer_hash: str
    stored: bool = False
    active: bool = True


@dataclass(kw_only=True, slots=True)
class Batch:
    """Pairs and texts that are known, and what will change; a text is named by (hash, locale)."""

    pairs: dict[str, Known] = field(default_factory=dict)
    _by_text: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    _by_answer: dict[tuple[str, str], str] = field(default_factory=dict)
    # Phrasings by (pair_id, hash): where they come from; the text of new ones; the stored ones to be deleted.
    _origins: dict[tuple[str, str], str] = field(default_factory=dict)
    _phrased: dict[tuple[str, str], str] = field(default_factory=dict)
    _dropped: set[tuple[str, str]] = field(default_factory=set)
    # Dictionaries as ordered sets, so that the same import writes the same rows in the same order.
    _put: dict[str, None] = field(default_factory=dict)
    _emptied: set[str] = field(default_factory=set)

    @classmethod
    def load(
        cls, connection: Connection, *, pair_ids: Iterable[str], texts: Iterable[str], answers: Iterable[str]
    ) -> "Batch":
        """Read the pairs with these ids, those that have one of the texts, and for each answer the first that gives it.

        Args:
            connection: an open transaction.
            pair_ids: retired pairs are read too.
            texts: hashes of normalised questions and phrasings.
            answers: hashes of normalised answers.
        """
        batch = cls()
        texts = list(texts)
        wanted = set(pair_ids)
        wanted.update(_ids_by_question(connection, texts), _ids_by_answer(connection, list(answers)))
        phrasings = list(_phrasings(connection, texts))
        wanted.update(pair_id for pair_id, _, _ in phrasings)
        for known in sorted(_pairs(connection, list(wanted)), key=lambda known: known.pair_id):
            batch._register(known)
        for pair_id, digest, origin in sorted(phrasings):
            batch._origins[pair_id, digest] = origin
            batch._by_text[digest, batch.pairs[pair_id].locale].append(pair_id)
        return batch

    def holders(self, text: tuple[str, str]) -> Iterator[tuple[Known, Origin]]:
        """Yield the active pairs that have a text as their question or a phrasing, and whether they claim it."""
        for pair_id in self._by_text.get(text, ()):
            known = self.pairs[pair_id]
            origin = self._origins.get((pair_id, text[0]))
            if known.active and known.locale == text[1]:
                if known.question_hash == text[0] or origin == "asked":
                    yield known, "asked"
                elif origin:
                    yield known, "listed"

    def answering(self, answer: tuple[str, str]) -> Known | None:
        """Return the active pair that gives an answer."""
        known = self.pairs.get(self._by_answer.get(answer, ""))
        return known if known and known.active and (known.answer_hash, known.locale) == answer else None

    def put(self, known: Known) -> None:
        """Store the pair as it now is, under its id; a retired one becomes active, without its former phrasings."""
        former = self.pairs.get(known.pair_id)
        if former is not None and not former.active:
            self._emptied.add(known.pair_id)
            for pair_id, digest in [key for key in self._origins if key[0] == known.pair_id]:
                del self._origins[pair_id, digest]
        self._register(known)
        self._put[known.pair_id] = None
        self.drop_phrasing(known, known.question_hash)

    def phrases(self, known: Known, digests: Iterable[str]) -> bool:
        """Whether the pair has every one of these texts, as its question or as a phrasing."""
        return all(digest == known.question_hash or (known.pair_id, digest) in self._origins for digest in digests)

    def add_phrasing(self, known: Known, digest: str, text: str, origin: Origin) -> bool:
        """Give the pair a phrasing; return whether it didn't have it."""
        key = (known.pair_id, digest)
        if digest == known.question_hash or key in self._origins:
            return False
        self._origins[key] = origin
        self._phrased[key] = text
        self._by_text[digest, known.locale].append(known.pair_id)
        return True

    def drop_phrasing(self, known: Known, digest: str) -> None:
        """Take a phrasing from the pair, where it has it."""
        key = (known.pair_id, digest)
        if self._origins.pop(key, None) is not None and self._phrased.pop(key, None) is None:
            self._dropped.add(key)

    def write(self, connection: Connection) -> set[str]:
        """Write the changes; return the ids of the stored pairs, whose content hash is to be computed anew."""
        now = datetime.now(UTC)
        put = [self.pairs[pair_id] for pair_id in self._put]
        new = {known.pair_id for known in put if not known.stored}
        _delete_phrasings(connection, self._emptied, self._dropped)
        self._insert_pairs(connection, [known for known in put if not known.stored], now)
        _update_pairs(connection, [known for known in put if known.stored], now)
        _insert_phrasings(connection, self._phrased, self._origins)
        return {*self._put, *(pair_id for pair_id, _ in (*self._phrased, *self._dropped))} - new

    def _register(self, known: Known) -> None:
        self.pairs[known.pair_id] = known
        holders = self._by_text[known.question_hash, known.locale]
        if known.pair_id not in holders:
            holders.append(known.pair_id)
        if known.active:
            self._by_answer.setdefault((known.answer_hash, known.locale), known.pair_id)

    def _insert_pairs(self, connection: Connection, pairs: Sequence[Known], now: datetime) -> None:
        phrasings: dict[str, list[str]] = defaultdict(list)
        for (pair_id, _), phrasing in self._phrased.items():
            phrasings[pair_id].append(phrasing)
        rows = [
            {
                "pair_id": known.pair_id,
                "content_hash": content_hash(
                    known.question, known.answer, known.topic, known.locale, phrasings[known.pair_id]
                ),
                "created_at": now,
                **_fields(known, now),
            }
            for known in pairs
        ]
        if rows:
            connection.execute(insert(PairRow), rows)


def chunks(items: Sequence[_Item], size: int = _CHUNK) -> Iterator[Sequence[_Item]]:
    """Yield slices of at most `size` items: databases limit the parameters of one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def rehash(connection: Connection, pair_ids: Iterable[str]) -> None:
    """Compute the content hash of these pairs from what is stored."""
    now = datetime.now(UTC)
    for ids in chunks(sorted(pair_ids), 500):
        phrasings: dict[str, list[str]] = defaultdict(list)
        found = select(PhrasingRow.pair_id, PhrasingRow.text).where(PhrasingRow.pair_id.in_(ids))
        for pair_id, phrasing in connection.execute(found):
            phrasings[pair_id].append(phrasing)
        fields = (PairRow.pair_id, PairRow.question, PairRow.answer, PairRow.topic, PairRow.locale)
        values = [
            {"key": row.pair_id, "digest": content_hash(*row[1:], phrasings[row.pair_id]), "now": now}
            for row in connection.execute(select(*fields).where(PairRow.pair_id.in_(ids)))
        ]
        statement = update(PairRow).where(PairRow.pair_id == bindparam("key"))
        connection.execute(statement.values(content_hash=bindparam("digest"), updated_at=bindparam("now")), values)


def _ids_by_question(connection: Connection, hashes: Sequence[str]) -> Iterator[str]:
    for some in chunks(hashes):
        found = select(PairRow.pair_id).where(PairRow.question_hash.in_(some), PairRow.status == ACTIVE)
        yield from connection.scalars(found)


def _ids_by_answer(connection: Connection, hashes: Sequence[str]) -> Iterator[str]:
    for some in chunks(hashes):
        # Many pairs may give one answer; one of them will do, and must be the same one every time.
        found = select(func.min(PairRow.pair_id)).where(PairRow.answer_hash.in_(some), PairRow.status == ACTIVE)
        yield from connection.scalars(found.group_by(PairRow.answer_hash, PairRow.locale))


def _phrasings(connection: Connection, hashes: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for some in chunks(hashes):
        found = select(PhrasingRow.pair_id, PhrasingRow.text_hash, PhrasingRow.origin)
        yield from connection.execute(found.where(PhrasingRow.text_hash.in_(some)))


def _pairs(connection: Connection, pair_ids: Sequence[str]) -> Iterator[Known]:
    for some in chunks(pair_ids):
        for row in connection.execute(
            select(
                PairRow.pair_id,
                PairRow.question,
                PairRow.answer,
                PairRow.topic,
                PairRow.locale,
                PairRow.source,
                PairRow.question_hash,
                PairRow.answer_hash,
                (PairRow.status == ACTIVE).label("active"),
            ).where(PairRow.pair_id.in_(some))
        ):
            yield Known(**row._asdict(), stored=True)


def _update_pairs(connection: Connection, pairs: Sequence[Known], now: datetime) -> None:
    if pairs:
        rows = [{"key": known.pair_id, **_fields(known, now)} for known in pairs]
        connection.execute(update(PairRow).where(PairRow.pair_id == bindparam("key")), rows)


def _fields(known: Known, now: datetime) -> dict[str, object]:
    return {
        "question": known.question,
        "answer": known.answer,
        "topic": known.topic,
        "locale": known.locale,
        "source": known.source,
        "status": ACTIVE,
        "question_hash": known.question_hash,
        "answer_hash": known.answer_hash,
        "updated_at": now,
    }


def _delete_phrasings(connection: Connection, emptied: set[str], dropped: set[tuple[str, str]]) -> None:
    for some in chunks(sorted(emptied)):
        connection.execute(delete(PhrasingRow).where(PhrasingRow.pair_id.in_(some)))
    if dropped:
        one = delete(PhrasingRow).where(
            PhrasingRow.pair_id == bindparam("key"), PhrasingRow.text_hash == bindparam("digest")
        )
        connection.execute(one, [{"key": pair_id, "digest": digest} for pair_id, digest in sorted(dropped)])


def _insert_phrasings(
    connection: Connection, phrased: dict[tuple[str, str], str], origins: dict[tuple[str, str], str]
) -> None:
    if not phrased:
        return
    last: dict[str, int] = {}
    for some in chunks(sorted({pair_id for pair_id, _ in phrased})):
        found = select(PhrasingRow.pair_id, func.max(PhrasingRow.position)).where(PhrasingRow.pair_id.in_(some))
        last.update({pair_id: place for pair_id, place in connection.execute(found.group_by(PhrasingRow.pair_id))})
    rows = []
    for (pair_id, digest), text in phrased.items():
        last[pair_id] = last.get(pair_id, 0) + 1
        rows.append(
            {
                "pair_id": pair_id,
                "position": last[pair_id],
                "text": text,
                "text_hash": digest,
                "origin": origins[pair_id, digest],
            }
        )
    connection.execute(insert(PhrasingRow), rows)
