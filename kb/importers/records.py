"""The records that pass between the steps of an import: a file's format, a row as read, a row as refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

FormatName = Literal["csv", "tsv", "jsonl", "json", "xlsx", "markdown"]

QUESTION_LIMIT = 2_000
ANSWER_LIMIT = 20_000
FIELD_LIMIT = 500
FILE_LIMIT = 2_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFormat:
    """How a file was read; `encoding` and `delimiter` are empty where the format has none."""

    format: FormatName
    encoding: str = ""
    delimiter: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as read: `line` is its first line in the file (from 1), `fields` its cells by column name."""

    line: int
    fields: Mapping[str, str]
    original: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """One row that can't be imported, why, and its text as it stood in the file."""

    line: int
    reason: str
    original: str


class Table(Protocol):
    """A file of rows. `rows` starts from the top each time, and holds one row at a time."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def info(self) -> FileFormat:
        """How the file is read."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the file."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that the newest `rows` has taken in so far."""

    def rows(self) -> Iterator[Row | Reject]:
        """Yield every row once, a broken one as Reject; ImportFileError where the file can't be read on."""
