"""What an import tells while it runs, and at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kb.importers.records import FileFormat


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportProgress:
    """How far an import has come: the file at hand, its number from 1, and the bytes of all files."""

    path: Path
    file_number: int
    files: int
    bytes_done: int
    bytes_total: int
    rows_read: int
    rejected: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileReport:
    """What one file gave. `rows_read` is the sum of the six outcomes; `turns_read` of a transcript stand beside it.

    A row of a table is a pair or rejected; of a transcript the pairs that were mined count, and the rejected turns.
    """

    path: Path
    kind: str
    info: FileFormat
    columns: Mapping[str, str]
    rows_read: int = 0
    added: int = 0
    updated: int = 0
    merged: int = 0
    unchanged: int = 0
    conflicting: int = 0
    rejected: int = 0
    turns_read: int = 0
    rejects_file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What an import gave, file by file and in all; `rows_read` is the sum of the six outcomes.

    `transitions` counts how often in the conversations one known question came right after another one.
    """

    files: tuple[FileReport, ...]
    rows_read: int
    added: int
    updated: int
    merged: int
    unchanged: int
    conflicting: int
    rejected: int
    turns_read: int
    history_conversations: int
    transitions: int
    dry_run: bool
