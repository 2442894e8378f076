"""JSONL (one object a line) and a JSON list of objects, both streamed; a broken object is rejected alone."""

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from kb.errors import ImportFileError, describe
from kb.importers.encodings import detect_encoding
from kb.importers.lines import LINE_LIMIT, SHOWN, LineReader
from kb.importers.records import FileFormat, Reject, Row

_SAMPLED_ROWS = 200
_NEXT_OBJECT = re.compile(r",\s*(?=\{)")
_BLANK = re.compile(r"[\s,]*")
# An error this close to the end of what was read may only mean that more must be read.
_MARGIN = 16


class JsonTable:
    """A JSONL file, or a JSON file that holds a list of objects."""

    def __init__(self, path: Path) -> None:
        """Detect encoding and form; ImportFileError where the file is empty or holds something else."""
        self.path = path
        encoding = detect_encoding(path)
        self._reader = LineReader(path, encoding)
        first = next((line.text.strip() for line in self._reader if line.text.strip()), "")
        self._check(first)
        self._is_list = first.startswith("[")
        self._list_bytes = 0
        self.info = FileFormat(format="json" if self._is_list else "jsonl", encoding=encoding)
        names: dict[str, None] = {}
        for row in islice(self.rows(), _SAMPLED_ROWS):
            names.update(dict.fromkeys(row.fields if isinstance(row, Row) else ()))
        self.columns = tuple(names)

    @property
    def bytes_read(self) -> int:
        """Bytes that the newest `rows` has taken in so far."""
        return self._list_bytes if self._is_list else self._reader.bytes_read

    def rows(self) -> Iterator[Row | Reject]:
        """Yield every object once, in the order of the file."""
        return self._list_rows() if self._is_list else self._line_rows()

    def _check(self, first: str) -> None:
        got = "an empty file" if not first else "" if first[0] in "[{" else f"a file that begins with {first[:40]!r}"
        if first == "{":
            got = "one object over several lines"
        if got:
            raise ImportFileError(
                describe(
                    expected=f"one JSON object a line, or a list of objects, in {self.path.name}",
                    got=got,
                    remedy='write each row as {"question": "...", "answer": "..."}',
                )
            )

    def _line_rows(self) -> Iterator[Row | Reject]:
        for line in self._reader:
            if line.fault:
                yield Reject(line=line.number, reason=line.fault, original=line.text)
            elif line.text.strip():
                try:
                    value = json.loads(line.text)
                except (ValueError, RecursionError) as error:
                    yield Reject(line=line.number, reason=f"not JSON: {error}", original=line.text)
                else:
                    yield _row(line.number, value, line.text)

    def _list_rows(self) -> Iterator[Row | Reject]:
        # A byte that can't be decoded becomes a lone surrogate, which the row is then rejected for.
        errors = "replace" if self.info.encoding.startswith("utf-16") else "surrogateescape"
        self._list_bytes = 0
        with self.path.open("rb") as raw, TextIOWrapper(raw, self.info.encoding, errors=errors, newline="") as stream:
            elements = _Elements(stream)
            while (element := elements.next()) is not None:
                self._list_bytes = raw.tell()
                yield element


class _Elements:
    """The elements of a JSON list, read through a window of text that grows only until the element at hand is whole."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._line = 1
        while "[" not in self._text and self._fill():
            pass
        self._move(self._text.index("[") + 1)

    def next(self) -> Row | Reject | None:
        """Return the next element, or None after the end of the list."""
        if not self._skip_blank():
            return None
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._may_be_cut(error) and self._fill():
                    continue
                return self._reject(f"not JSON: {error}")
            line, original = self._line, self._text[self._at : end]
            self._move(end)
            return _row(line, value, original)

    def _reject(self, reason: str) -> Reject:
        """Reject the text up to where the next object begins, or to the end; of an endless one keep the head."""
        line = self._line
        head = ""
        found = _NEXT_OBJECT.search(self._text, self._at + 1)
        while found is None:
            if len(self._text) - self._at > LINE_LIMIT:
                head = head or self._text[self._at : self._at + SHOWN]
                # The comma before the next object may be the last that was read.
                self._move(len(self._text) - _MARGIN)
            if not self._fill():
                break
            found = _NEXT_OBJECT.search(self._text, self._at)
        end = found.end() if found else len(self._text)
        original = head or self._text[self._at : end].rstrip(", \r\n]")
        self._move(end)
        return Reject(line=line, reason=reason, original=original)

    def _may_be_cut(self, error: Exception) -> bool:
        if not isinstance(error, json.JSONDecodeError) or len(self._text) - self._at > LINE_LIMIT:
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _MARGIN

    def _skip_blank(self) -> bool:
        """Move to the next element; False at the end of the list or of the file."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._move(blank.end() if blank else self._at)
            if self._at < len(self._text):
                return self._text[self._at] != "]"
            if not self._fill():
                return False

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _fill(self) -> bool:
        """Read on, at least as much as the window holds, so that an element is tried a few times only."""
        kept = self._text[self._at :]
        more = self._stream.read(max(65_536, len(kept)))
        self._text, self._at = kept + more, 0
        return bool(more)


def _row(line: int, value: Any, original: str) -> Row | Reject:
    if not isinstance(value, dict):
        return Reject(line=line, reason="not a JSON object", original=original)
    return Row(line=line, fields={str(key): _text(cell) for key, cell in value.items()}, original=original)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
