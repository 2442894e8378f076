"""Labelled pairs in files, so that they can be carried to another machine: JSONL and CSV, read back exactly.

Columns or keys are question, pair_id, label, weight and origin; the last three may be left out of a file. Cells of CSV
that a spreadsheet program would run as a formula get one apostrophe in front, which reading takes off again (OWASP,
CSV Injection).
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

from kb.errors import TrainingDataError, describe
from models.training.data import LabeledPair

COLUMNS = tuple(field.name for field in fields(LabeledPair))
NEEDED = ("question", "pair_id")
_TEXTS = ("question", "pair_id", "origin")
# Apostrophes don't change whether a cell is dangerous, so taking one off is the exact inverse.
_DANGEROUS = re.compile("^'*[=+\\-@\t\r\n\0＝＋－＠]")


def write_labeled(path: Path, rows: Iterable[LabeledPair]) -> None:
    """Write rows to a `.jsonl` or `.csv` file, in their order; the file is there whole or not at all.

    Raises:
        TrainingDataError: the suffix is another one, or the file can't be written.
    """
    write = {".jsonl": _write_jsonl, ".csv": _write_csv}[_suffix(path)]
    unfinished = path.with_name(f".{path.name}.part")
    try:
        # Lone surrogates are kept: what is read is what was written.
        with unfinished.open("w", encoding="utf-8", errors="surrogatepass", newline="") as stream:
            write(stream, rows)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise _error(f"a file that can be written at {path}", error.strerror or str(error), "name another") from error


def read_labeled(path: Path) -> list[LabeledPair]:
    """Return the rows of a `.jsonl` or `.csv` file in their order.

    Raises:
        TrainingDataError: there is no such file, it isn't UTF-8, or a line is not a labelled pair; it names the line.
    """
    read = {".jsonl": _read_jsonl, ".csv": _read_csv}[_suffix(path)]
    rows = []
    try:
        with path.open(encoding="utf-8-sig", errors="surrogatepass", newline="") as stream:
            for line, values in read(stream, path):
                rows.append(_labeled(values, path, line))
    except OSError as error:
        raise _error(f"a file of labelled pairs at {path}", error.strerror or str(error), "name another") from error
    except UnicodeDecodeError as error:
        raise _error(f"UTF-8 in {path}", f"other bytes in line {_undecodable(path)}", "save it as UTF-8") from error
    return rows


def _undecodable(path: Path) -> int:
    """Return the number of the first line with bytes that aren't UTF-8."""
    with path.open("rb") as stream:
        return next(number for number, line in enumerate(stream, start=1) if not _is_text(line))


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _write_jsonl(stream: IO[str], rows: Iterable[LabeledPair]) -> None:
    for row in rows:
        stream.write(json.dumps(asdict(row)) + "\n")


def _write_csv(stream: IO[str], rows: Iterable[LabeledPair]) -> None:
    # As RFC 4180 has it; with "\n" alone Python leaves a lone "\r" unquoted.
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = asdict(row)
        texts = {name: f"'{values[name]}" for name in _TEXTS if _DANGEROUS.match(values[name])}
        numbers = {name: repr(float(values[name])) for name in ("label", "weight")}
        writer.writerow((values | texts | numbers).values())


def _read_jsonl(stream: IO[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _at(path, line, "a JSON object", str(error)) from error
        if not isinstance(values, dict):
            raise _at(path, line, "a JSON object", type(values).__name__)
        yield line, values


def _read_csv(stream: IO[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(stream, strict=True)
    columns: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip() for cell in cells]
            elif cells and len(cells) != len(columns):
                raise _at(path, line, f"{len(columns)} columns", str(len(cells)))
            elif cells:
                yield line, {name: _restored(cell) for name, cell in zip(columns, cells, strict=True)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise _at(path, line, "a row of CSV", str(error)) from error


def _restored(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _DANGEROUS.match(cell) else cell


def _labeled(values: Mapping[str, Any], path: Path, line: int) -> LabeledPair:
    unknown = sorted(set(values) - set(COLUMNS))
    missing = [name for name in NEEDED if name not in values]
    if unknown or missing:
        got = f"also {', '.join(unknown)}" if unknown else f"no {' and no '.join(missing)}"
        raise _at(path, line, f"{', '.join(COLUMNS)}, the last three if wanted", got)
    given: dict[str, Any] = {name: _value(name, value, path, line) for name, value in values.items() if value != ""}
    given = dict.fromkeys(NEEDED, "") | given
    try:
        return LabeledPair(**given)
    except TrainingDataError as error:
        raise TrainingDataError(f"line {line} of {path}: {error}") from error


def _value(name: str, value: Any, path: Path, line: int) -> str | float:
    if name in _TEXTS:
        if not isinstance(value, str):
            raise _at(path, line, f"a text as {name}", repr(value))
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _at(path, line, f"a number as {name}", repr(value))
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise _at(path, line, f"a number as {name}", repr(value)) from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv"):
        raise _error("a file whose name ends in .jsonl or .csv", path.name, "rename it")
    return suffix


def _at(path: Path, line: int, expected: str, got: str) -> TrainingDataError:
    return _error(f"{expected} in line {line} of {path}", got, "mend the line")


def _error(expected: str, got: str, remedy: str) -> TrainingDataError:
    return TrainingDataError(describe(expected=expected, got=got, remedy=remedy))
