import re
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from kb.errors import ImportFileError
from kb.importers.records import Reject, Row
from kb.importers.workbook import WorkbookTable


def save(folder: Path, *rows: tuple, build: Callable[[Workbook], None] | None = None) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    if build:
        build(book)
    book.save(folder / "faq.xlsx")
    return folder / "faq.xlsx"


def edit(path: Path, part: str, change: Callable[[str], str]) -> None:
    """Rewrite one part of the workbook, as another program would have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def read(path: Path) -> tuple[list[Row], list[Reject]]:
    rows = list(WorkbookTable(path).rows())
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, Reject)]


def test_cells_become_text_and_blank_rows_are_passed_over(tmp_path: Path) -> None:
    path = save(
        tmp_path, ("id", "question", "answer"), (1, "a", date(2026, 5, 4)), (None, None, None), (2.5, "b", True)
    )
    rows, rejects = read(path)
    assert not rejects
    assert [(row.line, *row.fields.values()) for row in rows] == [
        (2, "1", "a", "2026-05-04T00:00:00"),
        (4, "2.5", "b", "true"),
    ]


def test_a_formula_without_a_stored_value_is_rejected_with_the_formula_shown(tmp_path: Path) -> None:
    rows, rejects = read(save(tmp_path, ("question", "answer"), ("a", '="x"&"y"'), ("b", "text")))
    assert [row.fields["question"] for row in rows] == ["b"]
    assert rejects[0].line == 2
    assert "formula without a stored value" in rejects[0].reason
    assert rejects[0].original == 'a | ="x"&"y"'


def test_a_formula_with_a_stored_value_gives_the_value(tmp_path: Path) -> None:
    path = save(tmp_path, ("question", "answer"), ("a", "=1+1"))
    edit(
        path,
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub(r'<c r="B2".*?</c>', '<c r="B2" t="str"><f>1+1</f><v>two</v></c>', xml),
    )
    rows, rejects = read(path)
    assert not rejects
    assert rows[0].fields["answer"] == "two"


def test_a_formula_in_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    rows, rejects = read(save(tmp_path, ("row", "question", "answer"), ("=ROW()", "a", "b")))
    assert not rejects
    assert rows[0].fields["question"] == "a"


def test_text_that_begins_like_a_formula_stays_text(tmp_path: Path) -> None:
    def as_text(book: Workbook) -> None:
        book.active["B2"].data_type = "s"

    rows, rejects = read(save(tmp_path, ("question", "answer"), ("a", "=5 is the size"), build=as_text))
    assert not rejects
    assert rows[0].fields["answer"] == "=5 is the size"


def test_an_error_value_is_rejected(tmp_path: Path) -> None:
    _, rejects = read(save(tmp_path, ("question", "answer"), ("a", "#N/A")))
    assert "holds the error #N/A" in rejects[0].reason


def test_the_sheet_with_the_columns_is_found_among_others(tmp_path: Path) -> None:
    def sheets(book: Workbook) -> None:
        book.create_sheet("FAQ").append(("Question", "Answer"))
        book["FAQ"].append(("a", "b"))

    table = WorkbookTable(save(tmp_path, ("read me first",), build=sheets))
    assert table.columns == ("Question", "Answer")
    assert table.other_sheets == ("Sheet",)


def test_a_wrong_size_in_the_sheet_loses_no_rows(tmp_path: Path) -> None:
    path = save(tmp_path, ("question", "answer"), ("a", "b"), ("c", "d"))
    edit(path, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<dimension ref="[^"]*"', '<dimension ref="A1"', xml))
    assert [row.fields["answer"] for row in read(path)[0]] == ["b", "d"]


def test_a_row_number_beyond_any_sheet_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, ("question", "answer"), ("a", "b"))
    edit(
        path,
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub('<row r="2"', '<row r="99999999999"', xml).replace('r="A2"', "").replace('r="B2"', ""),
    )
    with pytest.raises(ImportFileError, match="a row beyond"):
        read(path)


@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: b"not a zip", lambda content: content[: len(content) // 2]]
)
def test_a_broken_workbook_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = save(tmp_path, ("question", "answer"), ("a", "b"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ImportFileError, match=r"expected an XLSX workbook in faq\.xlsx; got .*; open it"):
        read(path)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_a_damaged_part_is_refused(tmp_path: Path, part: str) -> None:
    path = save(tmp_path, ("question", "answer"), ("a", "b"))
    edit(path, part, lambda xml: xml[: len(xml) - 30])
    with pytest.raises(ImportFileError, match="expected an XLSX workbook"):
        read(path)


def test_an_empty_workbook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="an empty workbook"):
        read(save(tmp_path))


def test_a_workbook_without_the_columns_is_refused_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"got the columns name, price in faq\.xlsx"):
        read(save(tmp_path, ("name", "price"), ("a", "b")))


def test_more_text_than_memory_should_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.importers.workbook.TEXTS_LIMIT", 100)
    path = save(tmp_path, ("question", "answer"), ("a", "b"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", "x" * 101)
    with pytest.raises(ImportFileError, match="save it as CSV"):
        read(path)
