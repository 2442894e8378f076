"""A text file as numbered lines, streamed: a line that can't be decoded or has no end is passed on with its fault."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LINE_LIMIT = 4_000_000
_BLOCK = 1 << 18
SHOWN = 1_000
_UNITS = {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4}


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end: its number from 1, its text, and why it can't be used (empty if it can)."""

    number: int
    text: str
    fault: str = ""


class LineReader:
    """Reads the lines of a file again and again; `bytes_read` tells how far the newest pass has come."""

    def __init__(self, path: Path, encoding: str, *, line_limit: int = LINE_LIMIT) -> None:
        """Take the path, a codec from `detect_encoding`, and the longest line in bytes that is still read."""
        self._path = path
        self._line_limit = line_limit
        self._codec, self._skip = _codec(path, encoding)
        self._encoding = encoding
        self._newline = self._find_newline()
        self.bytes_read = 0

    def __iter__(self) -> Iterator[Line]:
        """Yield every line from the top of the file."""
        with self._path.open("rb") as stream:
            self.bytes_read = len(stream.read(self._skip))
            for number, raw in enumerate(self._raw_lines(stream), start=1):
                yield self._line(number, raw)

    def _line(self, number: int, raw: bytes) -> Line:
        if len(raw) > self._line_limit:
            shown = raw[:SHOWN].decode(self._codec, errors="backslashreplace")
            return Line(number, shown, f"line longer than {self._line_limit:,} bytes")
        try:
            return Line(number, raw.decode(self._codec).removesuffix("\r"))
        except UnicodeDecodeError as error:
            shown = raw.decode(self._codec, errors="backslashreplace").removesuffix("\r")
            wrong = raw[error.start : error.start + 4].hex(" ")
            return Line(number, shown, f"bytes that are not {self._encoding}: {wrong} at byte {error.start + 1}")

    def _raw_lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """Yield lines as bytes; of one over the limit a beginning just longer than the limit, the rest is dropped."""
        rest = b""
        overlong = b""
        while block := stream.read(_BLOCK):
            self.bytes_read += len(block)
            *lines, rest = _split(rest + block, self._newline)
            if overlong and lines:
                lines[0], overlong = overlong, b""
            yield from lines
            if overlong or len(rest) > self._line_limit:
                overlong = overlong or rest[: self._line_limit + 1]
                rest = rest[len(rest) - len(rest) % len(self._newline) :]
        if overlong or rest:
            yield overlong or rest

    def _find_newline(self) -> bytes:
        """Files of old Macintosh programs end lines with a carriage return alone."""
        with self._path.open("rb") as stream:
            sample = stream.read(_BLOCK)
        old = b"\r" in sample and b"\n" not in sample
        return ("\r" if old else "\n").encode(self._codec)


def _codec(path: Path, encoding: str) -> tuple[str, int]:
    """Return a codec without byte-order mark, and the length of the mark to skip."""
    if encoding == "utf-8-sig":
        return "utf-8", 3
    if encoding not in ("utf-16", "utf-32"):
        return encoding, 0
    with path.open("rb") as stream:
        little = stream.read(2) == b"\xff\xfe"
    return f"{encoding}-{'le' if little else 'be'}", _UNITS[encoding]


def _split(data: bytes, newline: bytes) -> list[bytes]:
    """Split at line ends, those of UTF-16 and UTF-32 only where a character begins."""
    unit = len(newline)
    if unit == 1:
        return data.split(newline)
    parts, start, found = [], 0, data.find(newline)
    while found >= 0:
        if (found - start) % unit:
            found = data.find(newline, found + 1)
            continue
        parts.append(data[start:found])
        start = found + unit
        found = data.find(newline, start)
    return [*parts, data[start:]]
