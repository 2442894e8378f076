"""XLSX, read row by row: the values that were last calculated, never the formulas."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.formula.tokenizer import TokenizerError
from openpyxl.formula.translate import TranslatorError
from openpyxl.utils.exceptions import InvalidFileException

from kb.errors import ImportFileError, describe
from kb.importers.cells import restored, unescaped_from_xlsx
from kb.importers.columns import find_columns
from kb.importers.delimited import unique_names
from kb.importers.records import FileFormat, Reject, Row

# What openpyxl and zipfile raise for a file that is cut short, changed, or no workbook at all.
_UNREADABLE = (
    *(zipfile.BadZipFile, InvalidFileException, ParseError, zlib.error, EOFError, OSError),
    *(
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        NotImplementedError,
        TokenizerError,
        TranslatorError,
    ),
)
# Texts of a workbook stand in one part that is held in memory.
TEXTS_LIMIT = 300_000_000
_ROWS_LIMIT = 1_048_576
_HEADER_ROWS = 1_000
_TEXTS_PART = re.compile(r"sharedStrings", re.IGNORECASE)


class WorkbookTable:
    """The first sheet of an XLSX file, of the visible ones whose first row names the needed columns."""

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        """Find the sheet and its header; ImportFileError where the file is broken or no sheet fits."""
        self.path = path
        self.info = FileFormat(format="xlsx")
        self.bytes_read = 0
        self._check_size()
        headers = self._headers()
        self._sheet, self._used = self._choose(headers, mapping)
        self.columns = headers[self._sheet]
        self.other_sheets = tuple(title for title in headers if title != self._sheet)

    def rows(self) -> Iterator[Row | Reject]:
        """Yield every row with content below the header once; a formula without a value as Reject."""
        with self._opened(data_only=True) as values, self._opened(data_only=False) as formulas:
            header_seen = False
            for line, cells, sources in _lockstep(values[self._sheet], formulas[self._sheet]):
                if not any(_has_content(cell) for cell in sources):
                    continue
                if header_seen:
                    yield self._row(line, cells, sources)
                header_seen = True
        self.bytes_read = self.path.stat().st_size

    def _row(self, line: int, cells: tuple[Any, ...], sources: tuple[Any, ...]) -> Row | Reject:
        texts = [_text(cell.value) for cell in cells]
        # A row is shown with the formulas that have no value, and else with the values.
        original = " | ".join(text or _text(source.value) for text, source in zip(texts, sources, strict=False))
        for name, text, cell, source in zip(self.columns, texts, cells, sources, strict=False):
            fault = _fault(text, cell, source) if name in self._used else ""
            if fault:
                return Reject(line=line, reason=f"the cell in column {name!r} {fault}", original=original)
        fields = dict.fromkeys(self.columns, "") | dict(zip(self.columns, map(restored, texts), strict=False))
        return Row(line=line, fields=fields, original=original)

    def _headers(self) -> dict[str, tuple[str, ...]]:
        """Return the first row with content of every visible sheet."""
        headers = {}
        with self._opened(data_only=True) as book:
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                for cells in islice(sheet.iter_rows(values_only=True), _HEADER_ROWS):
                    names = [restored(_text(value)).strip() for value in cells]
                    if any(names):
                        while not names[-1]:
                            names.pop()
                        headers[sheet.title] = unique_names(names)
                        break
        return headers

    def _choose(
        self, headers: dict[str, tuple[str, ...]], mapping: Mapping[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Return the title of the first sheet that fits, and the columns that are used of it."""
        if not headers:
            raise ImportFileError(
                describe(
                    expected=f"rows in {self.path.name}",
                    got="an empty workbook",
                    remedy="save it again, with a header row",
                )
            )
        refusal: ImportFileError | None = None
        for title, names in headers.items():
            try:
                return title, frozenset(find_columns(self.path, names, mapping).by_role.values())
            except ImportFileError as error:
                refusal = refusal or error
        raise refusal or ImportFileError(self.path.name)

    def _check_size(self) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive:
                texts = sum(part.file_size for part in archive.infolist() if _TEXTS_PART.search(part.filename))
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        if texts > TEXTS_LIMIT:
            raise ImportFileError(
                describe(
                    expected=f"at most {TEXTS_LIMIT:,} bytes of text in {self.path.name}",
                    got=f"{texts:,}",
                    remedy="save it as CSV, which is read row by row",
                )
            )

    @contextmanager
    def _opened(self, *, data_only: bool) -> Iterator[Workbook]:
        try:
            with closing(load_workbook(self.path, read_only=True, data_only=data_only)) as book:
                for sheet in book.worksheets:
                    # The size that some programs write into a sheet is wrong, and rows beyond it would be lost.
                    sheet.reset_dimensions()
                yield book
        except _UNREADABLE as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ImportFileError:
        return ImportFileError(
            describe(
                expected=f"an XLSX workbook in {self.path.name}",
                got=f"a file that can't be read ({type(error).__name__}: {error})",
                remedy="open it in a spreadsheet program and save it again as .xlsx or as CSV",
            )
        )


def _lockstep(values: Any, formulas: Any) -> Iterator[tuple[int, tuple[Any, ...], tuple[Any, ...]]]:
    """Yield number, value cells and formula cells of each row of one sheet opened twice."""
    for line, (cells, sources) in enumerate(zip(values.iter_rows(), formulas.iter_rows(), strict=False), start=1):
        if line > _ROWS_LIMIT:
            raise ValueError(f"a row beyond {_ROWS_LIMIT:,}")
        yield line, cells, sources


def _fault(text: str, cell: Any, source: Any) -> str:
    """Return why the cell has no usable value; openpyxl gives an empty result of a formula the type `str`."""
    if source.data_type == "f" and not text and cell.data_type != "str":
        return "is a formula without a stored value: open and save the file in a spreadsheet program"
    return f"holds the error {text}" if cell.data_type == "e" else ""


def _has_content(cell: Any) -> bool:
    return cell.value is not None and str(cell.value).strip() != ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return unescaped_from_xlsx(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(getattr(value, "text", value))
