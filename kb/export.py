"""The knowledge base and the log as files that people open in a spreadsheet program, and that import back exactly."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from kb.errors import InputError, describe
from kb.importers.cells import escaped_for_xlsx, joined_phrasings, neutralised
from kb.log import ConversationLog
from kb.store import KnowledgeStore
from kb.types import QAPair

ExportFormat = Literal["csv", "jsonl", "xlsx"]
_PAIR_COLUMNS = ("id", "question", "answer", "topic", "locale", "source", "phrasings")
# What a cell and a sheet of XLSX hold (Excel specifications and limits).
_CELL_LIMIT = 32_767
_ROW_LIMIT = 1_048_576


def export_pairs(store: KnowledgeStore, path: Path, format: ExportFormat | None = None) -> int:
    """Write every pair to `path`, whole or not at all, and return how many.

    Args:
        store: Gives the pairs.
        path: The file, replaced if it is there.
        format: `csv`, `jsonl` or `xlsx`; None takes the suffix of the path.

    Raises:
        InputError: The format is unknown, or XLSX can't hold a text or so many rows.
    """
    name = _format(path, format)
    if name == "jsonl":
        return _write_jsonl(path, map(_pair_object, store.pairs()))
    return _write_rows(path, name, _PAIR_COLUMNS, map(_pair_cells, store.pairs()))


def export_log(log: ConversationLog, path: Path, format: ExportFormat | None = None) -> int:
    """Write the log to `path` as `log.export` gives it, whole or not at all, and return the number of records.

    In CSV and XLSX the columns are those of the first record, and lists and objects in a cell are JSON.

    Raises:
        InputError: As `export_pairs`.
    """
    name = _format(path, format)
    records = log.export()
    if name == "jsonl":
        return _write_jsonl(path, records)
    first = next(records, None)
    columns = tuple(first) if first is not None else ()
    return _write_rows(path, name, columns, _log_rows(first, records, columns))


def _log_rows(
    first: Mapping[str, Any] | None, others: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> Iterator[list[str]]:
    if first is not None:
        yield [_log_cell(first[column]) for column in columns]
    for record in others:
        yield [_log_cell(record.get(column)) for column in columns]


def _log_cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _pair_cells(pair: QAPair) -> tuple[str, ...]:
    phrasings = joined_phrasings(pair.phrasings)
    return (pair.pair_id, pair.question, pair.answer, pair.topic, pair.locale, pair.source, phrasings)


def _pair_object(pair: QAPair) -> dict[str, Any]:
    cells = dict(zip(_PAIR_COLUMNS, _pair_cells(pair), strict=True))
    return {**cells, "phrasings": list(pair.phrasings)}


def _format(path: Path, given: str | None) -> ExportFormat:
    name = given or path.suffix.lower().removeprefix(".")
    for known in get_args(ExportFormat):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise InputError(
        describe(
            expected=f"one of {', '.join(get_args(ExportFormat))}", got=name or "no format", remedy="name a format"
        )
    )


def _write_rows(path: Path, name: ExportFormat, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    return _write_csv(path, columns, rows) if name == "csv" else _write_xlsx(path, columns, rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    count = 0
    # With the mark, spreadsheet programs take the file for UTF-8.
    with _replacing(path) as part, part.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow([neutralised(cell) for cell in row])
    return count


def _write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with _replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        for count, record in enumerate(records, start=1):  # noqa: B007
            stream.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
    return count


def _write_xlsx(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("export")
    count = 0
    try:
        sheet.append(list(columns))
        for count, row in enumerate(rows, start=1):
            sheet.append([_text_cell(sheet, cell) for cell in _fitting(path, row, count)])
    except InputError:
        # What openpyxl has written so far lies in a temporary file of its own, which it removes when it exits.
        sheet.close()
        raise
    with _replacing(path) as part:
        book.save(part)
    return count


def _fitting(path: Path, row: Sequence[str], number: int) -> list[str]:
    """Return the cells of a row as XLSX holds them; InputError where it can't."""
    cells = [escaped_for_xlsx(neutralised(cell)) for cell in row]
    longest = max(map(len, cells), default=0)
    if longest > _CELL_LIMIT:
        raise _too_much(path, f"cells of at most {_CELL_LIMIT:,} characters", f"one of {longest:,} in row {number + 1}")
    if number >= _ROW_LIMIT:
        raise _too_much(path, f"at most {_ROW_LIMIT - 1:,} rows", "more")
    return cells


def _text_cell(sheet: Any, text: str) -> Any:
    """Return a cell that holds text, whatever the text looks like."""
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _too_much(path: Path, expected: str, got: str) -> InputError:
    return InputError(describe(expected=f"{expected} for {path.name}", got=got, remedy="export as CSV or JSONL"))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place at the end, and is removed after an error."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            describe(
                expected=f"a place to write to at {path}",
                got=error.strerror or str(error),
                remedy="name another file, or make room for it",
            )
        ) from error
