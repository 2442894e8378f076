"""CSV and TSV, streamed: a broken row is rejected alone, and reading goes on at the next line.

A quote that is never closed makes the rest of the file one cell. It shows by one of three signs: text after a closing
quote (the next quoted cell "closes" it), the end of the file, or a record longer than any that could be imported. Then
the first line of the record is rejected, and the lines after it are read again.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kb.errors import ImportFileError, describe
from kb.importers.cells import restored
from kb.importers.columns import count_known
from kb.importers.encodings import detect_encoding
from kb.importers.lines import Line, LineReader
from kb.importers.records import FileFormat, Reject, Row

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = (",", ";", "\t", "|")
# Several times the longest question, answer and list of phrasings together.
RECORD_LIMIT = 120_000
_SNIFFED_LINES = 30
_SNIFFED_LENGTH = 4_000
_SEPARATOR_LINE = re.compile(r"^sep=(.)$", re.IGNORECASE)


class _SwallowedError(Exception):
    """A record grew beyond RECORD_LIMIT."""


class _Feed:
    """Hands lines to csv.reader, remembers those of the record at hand, and takes lines back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self._length = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self._length += len(line.text)
        if len(self.taken) > 1 and self._length > RECORD_LIMIT:
            raise _SwallowedError
        return f"{line.text}\n"

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.taken = []
        self._length = 0

    def keep_first(self) -> None:
        """Give every line of the record at hand back, but its first."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


class DelimitedTable:
    """A CSV or TSV file with a header."""

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        """Detect encoding, delimiter and header; ImportFileError where the file is empty or has no header."""
        self.path = path
        encoding = detect_encoding(path)
        self._reader = LineReader(path, encoding)
        first = _first_lines(self._reader)
        if not first:
            raise ImportFileError(
                describe(
                    expected=f"rows in {path.name}", got="an empty file", remedy="export it again, with a header row"
                )
            )
        marked = _SEPARATOR_LINE.match(first[0].text)
        self._skip = first[0].number if marked else 0
        self._delimiter = (
            marked[1]
            if marked
            else _sniff(path, [line.text[:_SNIFFED_LENGTH].replace("\r", " ") for line in first], mapping)
        )
        self._spaced = _has_spaces_before_quotes(first, self._delimiter)
        self.info = FileFormat(
            format="tsv" if path.suffix.lower() == ".tsv" else "csv", encoding=encoding, delimiter=self._delimiter
        )
        self.columns = self._header()

    @property
    def bytes_read(self) -> int:
        """Bytes that the newest `rows` has taken in so far."""
        return self._reader.bytes_read

    def rows(self) -> Iterator[Row | Reject]:
        """Yield every row below the header once, in the order of the file."""
        records = self._records()
        next(records, None)
        for record in records:
            yield record if isinstance(record, Reject) else self._row(*record)

    def _row(self, cells: list[str], taken: list[Line]) -> Row | Reject:
        width = len(self.columns)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        original = _original(taken)
        if len(cells) != width:
            reason = f"{len(cells)} columns, but the header has {width}"
            return Reject(line=taken[0].number, reason=reason, original=original)
        fields = dict(zip(self.columns, map(restored, cells), strict=True))
        return Row(line=taken[0].number, fields=fields, original=original)

    def _header(self) -> tuple[str, ...]:
        record = next(self._records(), None)
        if record is None or isinstance(record, Reject):
            got = record.reason if record is not None else "none"
            raise ImportFileError(
                describe(
                    expected=f"a header in the first row of {self.path.name}",
                    got=got,
                    remedy="name the columns there, such as question,answer",
                )
            )
        names = [restored(name).strip() for name in record[0]]
        while len(names) > 1 and not names[-1]:
            names.pop()
        return unique_names(names)

    def _records(self) -> Iterator[tuple[list[str], list[Line]] | Reject]:
        """Yield the cells of each record with its lines, or its first line as Reject."""
        feed = _Feed(line for line in self._reader if line.number > self._skip)
        reader = self._parser(feed)
        damaged = False
        while True:
            feed.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _SwallowedError) as error:
                yield _broken_quote(feed, error)
                reader, damaged = self._parser(feed), True
                continue
            if len(cells) < 2 and not "".join(cells).strip():
                continue
            fault = _fault(feed.taken, after_damage=damaged)
            damaged = damaged and bool(fault)
            if fault:
                yield Reject(line=feed.taken[0].number, reason=fault, original=_original(feed.taken))
            else:
                yield cells, feed.taken

    def _parser(self, feed: _Feed) -> "Reader":
        return csv.reader(feed, delimiter=self._delimiter, strict=True, skipinitialspace=self._spaced)


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with empty ones numbered and repeated ones told apart, so that the first keeps its name."""
    unique: dict[str, None] = {}
    for position, name in enumerate(names, start=1):
        base = name or f"column {position}"
        candidate, copy = base, 2
        while candidate in unique:
            candidate, copy = f"{base} ({copy})", copy + 1
        unique[candidate] = None
    return tuple(unique)


def _broken_quote(feed: _Feed, error: Exception) -> Reject:
    """Reject the first line of the record at hand, and give the others back."""
    lines = len(feed.taken)
    feed.keep_first()
    first = feed.taken[0]
    inside = isinstance(error, csv.Error) and "expected after" in str(error)
    if first.fault:
        reason = first.fault
    elif lines == 1 and inside:
        reason = "text after a closing quote: a quote inside a quoted cell must be doubled"
    elif lines == 1 and not isinstance(error, _SwallowedError) and "unexpected end" not in str(error):
        reason = f"not readable as CSV: {error}"
    else:
        reason = "a quote is opened and not closed"
    return Reject(line=first.number, reason=reason, original=_original(feed.taken))


def _fault(taken: list[Line], *, after_damage: bool) -> str:
    """Return what is wrong with the lines of a record that parsed; empty if nothing is."""
    fault = next((line.fault for line in taken if line.fault), "")
    if not fault and after_damage and len(taken) == 1 and taken[0].text.count('"') % 2:
        return "the rest of the broken row above it"
    return fault


def _original(taken: list[Line]) -> str:
    return "\n".join(line.text for line in taken)


def _first_lines(reader: LineReader) -> list[Line]:
    """Return the first lines of the file, from the first one with text."""
    lines: list[Line] = []
    for line in reader:
        if lines or line.text.strip():
            lines.append(line)
        if len(lines) == _SNIFFED_LINES:
            break
    return lines


def _sniff(path: Path, lines: list[str], mapping: Mapping[str, str] | None) -> str:
    """Return the delimiter that gives the header most known names; then the one that most rows agree on."""
    if path.suffix.lower() == ".tsv" and "\t" in lines[0]:
        return "\t"

    def merit(delimiter: str) -> tuple[int, int, int]:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        width = len(rows[0])
        agreeing = sum(len(row) == width for row in rows) if width > 1 else 0
        return count_known(rows[0], mapping) if width > 1 else 0, agreeing, width

    return max(DELIMITERS, key=merit)


def _has_spaces_before_quotes(lines: list[Line], delimiter: str) -> bool:
    """Whether the file writes `a, "b"`, which would otherwise not count as quoted."""
    return any(f'{delimiter} "' in line.text for line in lines) and not any(
        f'{delimiter}"' in line.text for line in lines
    )
