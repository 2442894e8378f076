"""One import: files and folders → rows → pairs and conversations, in one transaction.

Files are read, checked and mined first, into temporary files; then one transaction stores everything. So other writers
wait for the storing alone, nothing is seen before all of it is there, what is cut off in the middle leaves the
knowledge base as it was, and the same import again changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path

from kb.errors import ImportFileError, describe
from kb.history import HistoryConversation
from kb.importers.language import locale_rule
from kb.importers.mining import MinedPair, Miner, Prepared
from kb.importers.pairs import pair_of_mined, with_locale
from kb.importers.reading import ImportFile, Reading, open_files
from kb.importers.records import FILE_LIMIT, Reject
from kb.importers.reports import FileReport, ImportProgress, ImportReport
from kb.importers.settling import Mined, Settling, conflict
from kb.importers.spool import Spool
from kb.store import DuplicatePolicy, KnowledgeStore, UpsertedPair
from kb.text import normalised
from kb.types import QAPair

__all__ = ["FileReport", "ImportProgress", "ImportReport", "import_paths"]


class _DryRunEndedError(Exception):
    """Rolls the transaction of a dry run back."""


def import_paths(
    store: KnowledgeStore,
    paths: Iterable[Path | str],
    *,
    mapping: Mapping[str, str] | None = None,
    policy: DuplicatePolicy = DuplicatePolicy.KEEP,
    dry_run: bool = False,
    rejects_folder: Path,
    progress: Callable[[ImportProgress], None] | None = None,
    size_limit: int = FILE_LIMIT,
) -> ImportReport:
    """Import files, and the files of folders, into the store, in one transaction.

    Args:
        store: Takes the pairs and conversations.
        paths: Files and folders, in the formats of `kb.importers.SUFFIXES`.
        mapping: Role to column name, for columns that their names don't tell.
        policy: What becomes of a question that is known with another answer.
        dry_run: Report what would happen, and write nothing at all.
        rejects_folder: Gets `<name>.rejected.csv` for each file with rejected or conflicting rows.
        progress: Is called every few hundred rows and at the end of each file.
        size_limit: The largest file in bytes.

    Raises:
        ImportFileError: A path or file can't be imported; nothing was stored.
        StorageError: The database is locked, gone or full; nothing was stored.
    """
    with ExitStack() as cleanup:
        files = open_files([Path(path) for path in paths], mapping, size_limit, None if dry_run else rejects_folder)
        for file in files:
            cleanup.callback(file.rejects.close)
            cleanup.callback(file.pairs.close)
        conversations: Spool[Prepared] = Spool()
        cleanup.callback(conversations.close)
        _read(files, conversations, progress)
        storing = _Storing(files, conversations, policy)
        with suppress(_DryRunEndedError), store.transaction() as unit:
            storing.store(unit)
            if dry_run:
                raise _DryRunEndedError
        rejects_files = [file.rejects.publish() for file in files]
    return storing.report(rejects_files, dry_run=dry_run)


def _read(
    files: Sequence[ImportFile],
    conversations: Spool[Prepared],
    progress: Callable[[ImportProgress], None] | None,
) -> None:
    try:
        Reading(files, progress).read(conversations)
    except OSError as error:
        raise ImportFileError(
            describe(
                expected="files that stay readable, and room for temporary files of about their size",
                got=str(error),
                remedy="check the disk, or name another folder for temporary files with TMPDIR",
            )
        ) from error


class _Storing:
    """The second half: pairs first, so that conversations find them; then what is mined; then the conversations."""

    def __init__(self, files: Sequence[ImportFile], conversations: Spool[Prepared], policy: DuplicatePolicy) -> None:
        self._files = files
        self._conversations = conversations
        self._policy = policy
        self._history_conversations = 0
        self._transitions = 0

    def store(self, unit: KnowledgeStore) -> None:
        """Store everything in the open transaction."""
        for file in self._files:
            self._store_pairs(unit, file)
        if len(self._conversations):
            pair_by_text, pair_ids = _known_pairs(unit)
            miner = Miner(pair_by_text=pair_by_text, pair_ids=pair_ids)
            for prepared in self._conversations:
                miner.add(prepared)
            stored = self._store_mined(unit, miner)
            self._history_conversations = unit.add_history(self._counting(miner.histories(self._conversations, stored)))
        for file in self._files:
            counts = {"rejected": file.rejected, "turns_read": file.turns_read, **file.outcomes}
            unit.record_import(
                path=str(file.table.path), file_hash=file.file_hash, counts=counts, started_at=file.started_at
            )

    def report(self, rejects_files: Sequence[Path | None], *, dry_run: bool) -> ImportReport:
        """Return the report; `rejects_files` in the order of the files."""
        files = tuple(map(_file_report, self._files, rejects_files))
        outcomes = sum((file.outcomes for file in self._files), Counter[str]())
        return ImportReport(
            files=files,
            rows_read=sum(file.rows_read for file in files),
            added=outcomes["added"],
            updated=outcomes["updated"],
            merged=outcomes["merged"],
            unchanged=outcomes["unchanged"],
            conflicting=outcomes["conflicting"],
            rejected=sum(file.rejected for file in files),
            turns_read=sum(file.turns_read for file in files),
            history_conversations=self._history_conversations,
            transitions=self._transitions,
            dry_run=dry_run,
        )

    def _store_pairs(self, unit: KnowledgeStore, file: ImportFile) -> None:
        rule = file.language.rule()
        waiting: dict[int, tuple[int, QAPair]] = {}

        def pairs() -> Iterator[QAPair]:
            for position, (line, pair) in enumerate(file.pairs):
                waiting[position] = (line, pair)
                yield with_locale(pair, rule)

        def settled(result: UpsertedPair) -> None:
            line, pair = waiting.pop(result.position)
            file.settle(result.outcome, conflict(result, line, pair))

        unit.upsert(pairs(), policy=self._policy, on_pair=settled)

    def _store_mined(self, unit: KnowledgeStore, miner: Miner) -> Mapping[int, str]:
        """Store the mined pairs; return the pair id that each went to, by its group."""
        file_of = {str(file.table.path): file for file in self._files}
        mined: list[MinedPair] = []
        for path, found in miner.pairs():
            if isinstance(found, Reject):
                file_of[path].reject(found)
            else:
                mined.append(found)
        rule = locale_rule(self._agents_words() if mined else ())
        pairs = ((found, with_locale(pair_of_mined(found), rule)) for found in mined)
        return Settling(unit, self._policy).settle(
            Mined(found=found, pair=pair, file=file_of[found.file]) for found, pair in pairs
        )

    def _agents_words(self) -> Iterator[str]:
        """Yield what agents say: the same at every import, while what is mined gets less as more of it is known."""
        for prepared in self._conversations:
            yield from (turn.text for turn in prepared.transcript.turns if turn.role == "agent")

    def _counting(self, conversations: Iterable[HistoryConversation]) -> Iterator[HistoryConversation]:
        for conversation in conversations:
            asked = [turn.pair_id for turn in conversation.turns if turn.pair_id]
            self._transitions += sum(one != other for one, other in pairwise(asked))
            yield conversation


def _known_pairs(unit: KnowledgeStore) -> tuple[dict[str, str], set[str]]:
    """Return the pairs by the normalised text of their questions, then of their phrasings, and all pair ids."""
    questions: dict[str, str] = {}
    phrasings: dict[str, str] = {}
    pair_ids: set[str] = set()
    for pair in unit.pairs():
        pair_ids.add(pair.pair_id)
        questions.setdefault(normalised(pair.question), pair.pair_id)
        for phrasing in pair.phrasings:
            phrasings.setdefault(normalised(phrasing), pair.pair_id)
    return {**phrasings, **questions}, pair_ids


def _file_report(file: ImportFile, rejects_file: Path | None) -> FileReport:
    outcomes = file.outcomes
    return FileReport(
        path=file.table.path,
        kind=file.columns.kind,
        info=file.table.info,
        columns=dict(file.columns.by_role),
        rows_read=outcomes.total() + file.rejected,
        added=outcomes["added"],
        updated=outcomes["updated"],
        merged=outcomes["merged"],
        unchanged=outcomes["unchanged"],
        conflicting=outcomes["conflicting"],
        rejected=file.rejected,
        turns_read=file.turns_read,
        rejects_file=rejects_file,
    )
