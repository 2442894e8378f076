"""KnowledgeStore: pairs with their phrasings, versions of the knowledge, imported history and what was asked next."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select, text, update

from kb.audit import add_entry
from kb.batch import chunks
from kb.database import reading, writing
from kb.errors import NotFoundError, describe
from kb.history import (
    HistoryConversation,
    HistoryTurn,
    UnmatchedTurn,
    add_conversations,
    count_transitions,
    match_turns,
    unmatched_turns,
)
from kb.tables import ACTIVE, RETIRED, ImportRow, KnowledgeVersionRow, PairRow, PhrasingRow
from kb.text import storable
from kb.types import QAPair, Transition
from kb.upsert import DuplicatePolicy, PairOutcome, Report, UpsertCounts, UpsertedPair, upsert_pairs

__all__ = [
    "DuplicatePolicy",
    "HistoryConversation",
    "HistoryTurn",
    "KnowledgeStore",
    "PairOutcome",
    "UnmatchedTurn",
    "UpsertCounts",
    "UpsertedPair",
]

_PAGE = 1_000
# Any number of our own: PostgreSQL advisory locks are named by integers.
_KNOWLEDGE_LOCK = 7_021_002


class KnowledgeStore:
    """The knowledge base in SQL; safe to share between threads.

    Every call is a transaction of its own. Where several belong together, use `transaction()`.
    """

    def __init__(self, engine: Engine) -> None:
        """Take an engine of `kb.database.connect` whose schema is migrated."""
        self._engine = engine
        self._connection: Connection | None = None
        self._changed = False
        self._reads = False

    @contextmanager
    def view(self) -> "Iterator[KnowledgeStore]":
        """Give a store on which everything read is of one state of the knowledge, while others go on writing.

        Raises:
            StorageError: the database is locked or gone.
        """
        with reading(self._engine) as connection:
            unit = KnowledgeStore(self._engine)
            unit._connection, unit._reads = connection, True
            yield unit

    @contextmanager
    def transaction(self) -> "Iterator[KnowledgeStore]":
        """Open a transaction, and give the store on which everything called is part of it.

        Committed at the end as a whole; rolled back as a whole where anything is raised. If the active knowledge has
        changed, the commit makes it a new version. One transaction at a time changes knowledge, others wait. On SQLite
        the log waits too: keep it short, read files before it.

        Raises:
            StorageError: the database is locked, gone or full; nothing is written.
        """
        if self._connection is not None:
            assert not self._reads, "what view() gives is for reading"
            yield self
            return
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _KNOWLEDGE_LOCK})
            unit = KnowledgeStore(self._engine)
            unit._connection = connection
            yield unit
            if unit._changed:
                _mint_version(connection)

    def upsert(
        self,
        pairs: Iterable[QAPair],
        *,
        policy: DuplicatePolicy = DuplicatePolicy.KEEP,
        on_pair: Report | None = None,
    ) -> UpsertCounts:
        """Add the pairs, or merge them into what is known; giving the same pairs again changes nothing.

        A pair with an id is the pair of that id: added, updated where anything differs, else unchanged. Its topic and
        source are kept where none is given. A pair without an id, in its locale:

        - has a question and an answer that are known together: unchanged, merged where a phrasing is new (and no other
          pair claims the question);
        - has a question that was given with another answer: by `policy`;
        - has an answer that is known to another question: merged, its question becomes a phrasing;
        - else: added, with an id made of its content.

        Texts are compared as `kb.text.normalised`. Phrasings are added to those known, and are never removed. A retired
        pair that is given again is added again. `content_hash` is computed here, the one given is not looked at.

        Args:
            pairs: read once, in batches.
            policy: what to do with a known question that has another answer.
            on_pair: called for every pair, in order, with what became of it.

        Raises:
            InputError: a pair has no question or no answer; nothing is stored.
            StorageError: the database is locked, gone or full; nothing is stored.
        """
        with self.transaction() as unit:
            # A savepoint: where a caller goes on after an error, no half of the pairs stays.
            with unit._open.begin_nested():
                counts = upsert_pairs(unit._open, pairs, policy, on_pair)
            unit._changed |= bool(counts.added or counts.updated or counts.merged)
        return counts

    def retire(self, pair_ids: Iterable[str]) -> int:
        """Take pairs out of the active knowledge; their rows stay. Return how many were active."""
        now = datetime.now(UTC)
        retired = 0
        with self.transaction() as unit:
            for some in chunks(sorted(set(pair_ids))):
                statement = update(PairRow).where(PairRow.pair_id.in_(some), PairRow.status == ACTIVE)
                retired += unit._open.execute(statement.values(status=RETIRED, updated_at=now)).rowcount
            unit._changed |= retired > 0
        return retired

    def pairs(self, locale: str | None = None) -> Iterator[QAPair]:
        """Yield the active pairs by pair id, of one locale or of all, as they are when the first one is taken.

        Phrasings come in the order in which they were added. Read to the end, or close the iterator: until then it
        holds a connection.
        """
        with self._reading() as connection:
            last = ""
            while True:
                condition = [PairRow.pair_id > last]
                if locale is not None:
                    condition.append(PairRow.locale == locale)
                found = _load(connection, condition)
                yield from found
                if len(found) < _PAGE:
                    return
                last = found[-1].pair_id

    def get(self, pair_id: str) -> QAPair:
        """Return an active pair.

        Raises:
            NotFoundError: no active pair has this id.
        """
        with self._reading() as connection:
            found = _load(connection, [PairRow.pair_id == storable(pair_id)])
        if not found:
            raise NotFoundError(
                describe(expected="the id of an active pair", got=repr(pair_id), remedy="look it up in an export")
            )
        return found[0]

    def count(self) -> int:
        """Return the number of active pairs."""
        with self._reading() as connection:
            return _count(connection)

    def topics(self) -> list[str]:
        """Return the topics of the active pairs, by alphabet, without the empty one."""
        found = select(PairRow.topic).where(PairRow.status == ACTIVE, PairRow.topic != "").distinct()
        with self._reading() as connection:
            return sorted(connection.scalars(found))

    def corpus_hash(self) -> str:
        """Return SHA-256 of the active pairs, in 64 hexadecimal digits: the same for the same pairs, however they came.

        The committed one is kept with its version, so that asking for it costs one row.
        """
        if self._connection is not None:
            return _corpus_hash(self._connection)
        with self._reading() as connection:
            return _newest(connection)[1]

    def version(self) -> int:
        """Return the number of the committed state of the active knowledge: 0 while there was none, then from 1."""
        with self._reading() as connection:
            return _newest(connection)[0]

    def add_history(self, conversations: Iterable[HistoryConversation]) -> int:
        """Store imported conversations; return how many are new or have changed. Giving them again changes nothing.

        One that is known keeps the pairs its turns were matched with, and takes those given where it has none.
        """
        with self.transaction() as unit:
            return add_conversations(unit._open, conversations)

    def unmatched_history(self) -> Iterator[UnmatchedTurn]:
        """Yield the customers' turns of history that have no pair, in the order in which they were stored."""
        with self._reading() as connection:
            yield from unmatched_turns(connection)

    def match_history(self, pair_ids: Mapping[int, str]) -> int:
        """Set the pairs of turns of history, by `history_turn_id`; return how many turns there were."""
        with self.transaction() as unit:
            return match_turns(unit._open, pair_ids)

    def transitions(self) -> list[Transition]:
        """Return how often customers in history asked one active pair right after another one, most often first.

        Turns without a pair, such as thanks, are passed over; asking the same again is no transition.
        """
        with self._reading() as connection:
            return count_transitions(connection)

    def record_import(self, *, path: str, file_hash: str, counts: Mapping[str, int], started_at: datetime) -> None:
        """Keep what the import of one file did; it ends now."""
        with self.transaction() as unit:
            values = {"path": storable(path), "file_hash": file_hash, "counts": dict(counts)}
            times = {"started_at": started_at, "finished_at": datetime.now(UTC)}
            unit._open.execute(insert(ImportRow), values | times)

    def note(self, operator_id: str, action: str, subject: str = "", details: Mapping[str, Any] | None = None) -> None:
        """Add an entry to the audit, in the transaction of what it tells."""
        with self.transaction() as unit:
            add_entry(unit._open, operator_id, action, subject, details)

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "only the store that transaction() gives has a connection"
        return self._connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._connection is not None:
            yield self._connection
        else:
            with reading(self._engine) as connection:
                yield connection


def _load(connection: Connection, condition: Sequence[ColumnElement[bool]]) -> list[QAPair]:
    """Return up to a page of the active pairs that meet the condition, by pair id."""
    columns = (
        PairRow.pair_id,
        PairRow.question,
        PairRow.answer,
        PairRow.topic,
        PairRow.locale,
        PairRow.source,
        PairRow.content_hash,
    )
    page = select(*columns).where(PairRow.status == ACTIVE, *condition).order_by(PairRow.pair_id).limit(_PAGE)
    rows = connection.execute(page).all()
    phrasings: dict[str, list[str]] = defaultdict(list)
    asked = select(PhrasingRow.pair_id, PhrasingRow.text).where(PhrasingRow.pair_id.in_([row.pair_id for row in rows]))
    for pair_id, phrasing in connection.execute(asked.order_by(PhrasingRow.pair_id, PhrasingRow.position)):
        phrasings[pair_id].append(phrasing)
    return [QAPair(**row._asdict(), phrasings=tuple(phrasings[row.pair_id])) for row in rows]


def _count(connection: Connection) -> int:
    return connection.scalars(select(func.count()).where(PairRow.status == ACTIVE)).one()


def _corpus_hash(connection: Connection) -> str:
    """Hash every active pair with its source: a reply shows the source, though it is no part of the content."""
    digest = hashlib.sha256()
    rows = select(PairRow.pair_id, PairRow.content_hash, PairRow.source).where(PairRow.status == ACTIVE)
    for row in connection.execute(rows.order_by(PairRow.pair_id)):
        digest.update(json.dumps(list(row)).encode())
    return digest.hexdigest()


def _newest(connection: Connection) -> tuple[int, str]:
    newest = select(KnowledgeVersionRow.version, KnowledgeVersionRow.corpus_hash)
    row = connection.execute(newest.order_by(KnowledgeVersionRow.version.desc()).limit(1)).first()
    return (row.version, row.corpus_hash) if row else (0, hashlib.sha256().hexdigest())


def _mint_version(connection: Connection) -> None:
    """Make the active knowledge a new version, if it is not the newest one."""
    version, known = _newest(connection)
    now = _corpus_hash(connection)
    if now != known:
        values = {"version": version + 1, "corpus_hash": now, "pair_count": _count(connection)}
        connection.execute(insert(KnowledgeVersionRow), values | {"created_at": datetime.now(UTC)})
