"""The first half of an import: files are opened, read and checked, and conversations mined; nothing is stored yet."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from kb.importers.columns import Columns, find_columns
from kb.importers.language import LanguageSample
from kb.importers.mining import Prepared, count_contacts, prepare
from kb.importers.pairs import build_pair, said_in
from kb.importers.readers import find_files, open_table
from kb.importers.records import Reject, Row, Table
from kb.importers.rejects import SUFFIX, RejectsFile
from kb.importers.reports import ImportProgress
from kb.importers.spool import Spool
from kb.importers.transcripts import TranscriptSpool
from kb.types import QAPair

_PROGRESS_EVERY = 500


@dataclass(kw_only=True, slots=True)
class ImportFile:
    """One file of the import, its pairs in their order, and the counts of its rows."""

    table: Table
    columns: Columns
    rejects: RejectsFile
    size: int
    file_hash: str = ""
    pairs: Spool[tuple[int, QAPair]] = field(default_factory=Spool)
    language: LanguageSample = field(default_factory=LanguageSample)
    outcomes: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    turns_read: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def reject(self, reject: Reject) -> None:
        """Count a rejected row, and keep it for the owner."""
        self.rejected += 1
        self.rejects.add(reject)

    def settle(self, outcome: str, conflict: Reject) -> None:
        """Count what became of a row that was a pair; keep it for the owner where it conflicts with what is known."""
        self.outcomes[outcome] += 1
        if outcome == "conflicting":
            self.rejects.add(conflict)


def open_files(
    paths: Sequence[Path], mapping: Mapping[str, str] | None, size_limit: int, rejects_folder: Path | None
) -> list[ImportFile]:
    """Open every file before the first row is read, so that a wrong one costs no time."""
    files: list[ImportFile] = []
    taken: set[str] = set()
    for path in find_files(paths):
        table = open_table(path, mapping, size_limit=size_limit)
        names = (path.stem if copy == 1 else f"{path.stem}-{copy}" for copy in range(1, len(taken) + 2))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        # A mapping names columns of tables; a Markdown file has none to be named.
        columns = find_columns(path, table.columns, None if table.info.format == "markdown" else mapping)
        rejects = RejectsFile(None if rejects_folder is None else rejects_folder / f"{name}{SUFFIX}")
        files.append(ImportFile(table=table, columns=columns, rejects=rejects, size=path.stat().st_size))
    return files


class Reading:
    """Reads the files of one import, and tells how far it has come."""

    def __init__(self, files: Sequence[ImportFile], progress: Callable[[ImportProgress], None] | None) -> None:
        """Take the opened files, and what is called every few hundred rows and at the end of each file."""
        self._files = files
        self._progress = progress
        self._content_of_id: dict[int, int] = {}
        self._rows_read = 0

    def read(self, conversations: Spool[Prepared]) -> None:
        """Fill the pairs of each file, and the conversations of all."""
        with TranscriptSpool() as turns:
            for file in self._files:
                if file.columns.kind == "pairs":
                    self._read_pairs(file)
                else:
                    self._read_turns(file, turns)
                with file.table.path.open("rb") as stream:
                    file.file_hash = file_digest(stream, "sha256").hexdigest()
            contacts = count_contacts(turns.conversations())
            for transcript in turns.conversations():
                conversations.append(prepare(transcript, contacts))

    def _read_pairs(self, file: ImportFile) -> None:
        for row in self._rows(file):
            built = row if isinstance(row, Reject) else self._once(build_pair(file.columns, row), row)
            if isinstance(built, Reject):
                file.reject(built)
            else:
                file.pairs.append((row.line, built))
                if not built.locale:
                    file.language.add(said_in(built))

    def _once(self, built: QAPair | Reject, row: Row) -> QAPair | Reject:
        """Refuse a second pair under one id: the two would take turns at every import."""
        if isinstance(built, Reject) or not built.pair_id:
            return built
        if self._content_of_id.setdefault(hash(built.pair_id), hash(built)) == hash(built):
            return built
        reason = f"the id {built.pair_id[:40]!r} stands in an earlier row with other content: ids must differ"
        return Reject(line=row.line, reason=reason, original=row.original)

    def _read_turns(self, file: ImportFile, turns: TranscriptSpool) -> None:
        for row in self._rows(file):
            reject = row if isinstance(row, Reject) else turns.add(str(file.table.path), file.columns, row)
            if reject is None:
                file.turns_read += 1
            else:
                file.reject(reject)

    def _rows(self, file: ImportFile) -> Iterator[Row | Reject]:
        done = sum(other.size for other in self._files[: self._files.index(file)])
        for row in file.table.rows():
            yield row
            self._rows_read += 1
            if self._rows_read % _PROGRESS_EVERY == 0:
                self._tell(file, done + min(file.table.bytes_read, file.size))
        self._tell(file, done + file.size)

    def _tell(self, file: ImportFile, bytes_done: int) -> None:
        if self._progress is not None:
            self._progress(
                ImportProgress(
                    path=file.table.path,
                    file_number=self._files.index(file) + 1,
                    files=len(self._files),
                    bytes_done=bytes_done,
                    bytes_total=sum(other.size for other in self._files),
                    rows_read=self._rows_read,
                    rejected=sum(other.rejected for other in self._files),
                )
            )
