import csv
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.errors import ImportFileError
from kb.importers.delimited import DelimitedTable
from kb.importers.lines import LineReader
from kb.importers.records import Reject, Row


def table(folder: Path, content: str | bytes, name: str = "faq.csv") -> DelimitedTable:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return DelimitedTable(path)


def read(folder: Path, content: str | bytes, name: str = "faq.csv") -> tuple[list[Row], list[Reject]]:
    rows = list(table(folder, content, name).rows())
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, Reject)]


def questions(rows: list[Row]) -> list[str]:
    return [row.fields["question"] for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    content = delimiter.join(["question", "answer"]) + f'\n"one, two; three"{delimiter}yes\n'
    found = table(tmp_path, content)
    assert found.info.delimiter == delimiter
    assert [row.fields for row in found.rows()] == [{"question": "one, two; three", "answer": "yes"}]


def test_a_separator_line_of_a_spreadsheet_program_is_obeyed(tmp_path: Path) -> None:
    found = table(tmp_path, "sep=;\nquestion;answer\na,b;c\n")
    assert found.info.delimiter == ";"
    assert [(row.line, row.fields["question"]) for row in found.rows()] == [(3, "a,b")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    content = "question,answer\n" + "Können wir zurückgeben?,“Ja” – für 5 € über das Café\n" * 3
    rows, rejects = read(tmp_path, content.encode(encoding))
    assert not rejects
    assert rows[0].fields == {"question": "Können wir zurückgeben?", "answer": "“Ja” – für 5 € über das Café"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Как вернуть товар, купленный в вашем магазине на прошлой неделе?"),
        ("gb18030", "我的订单什么时候可以送到我家里呢"),
    ],
)
def test_other_encodings_are_found_by_their_bytes(tmp_path: Path, encoding: str, text: str) -> None:
    lines = "".join(f"{text.replace(',', ' ')} {number},{text.replace(',', ' ')}\n" for number in range(30))
    rows, rejects = read(tmp_path, f"question,answer\n{lines}".encode(encoding))
    assert not rejects
    assert rows[0].fields["answer"] == text.replace(",", " ")


def test_bytes_that_are_not_utf_8_reject_their_row_alone(tmp_path: Path) -> None:
    content = b"question,answer\na,b\nbroken \xff\xfe,x\nc,d\n"
    rows, rejects = read(tmp_path, content)
    assert questions(rows) == ["a", "c"]
    assert [(reject.line, reject.original) for reject in rejects] == [(3, "broken \\xff\\xfe,x")]
    assert "utf-8" in rejects[0].reason


def test_a_quoted_cell_may_hold_lines_quotes_and_delimiters(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, 'question,answer\r\nq,"one\r\n\r\n""two"", three"\r\nr,s\r\n')
    assert not rejects
    assert [(row.line, row.fields["answer"]) for row in rows] == [(2, 'one\n\n"two", three'), (5, "s")]


def test_too_few_and_too_many_columns_reject_their_row_alone(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, "question,answer\na,b\nonly one\nx,y,z\nc,d,,\n")
    assert questions(rows) == ["a", "c"]
    assert [(reject.line, reject.original) for reject in rejects] == [(3, "only one"), (4, "x,y,z")]
    assert rejects[0].reason == "1 columns, but the header has 2"


@pytest.mark.parametrize(
    "broken",
    ['"never closed,x', 'q,"never closed', '"', 'q,"closed" late,x', '"a"b,c'],
)
@pytest.mark.parametrize(
    "after",
    [["c,d", "e,f"], ['"c","d"', '"e","f"'], ['c,"d\nd"', "e,f"], ["c,d"] * 3_000],
)
def test_a_broken_quote_rejects_its_line_alone(tmp_path: Path, broken: str, after: list[str]) -> None:
    rows, rejects = read(tmp_path, "\n".join(["question,answer", "a,b", broken, *after, ""]))
    assert [(reject.line, reject.original) for reject in rejects] == [(3, broken)]
    assert questions(rows) == ["a", *[line[0].strip('"') or line[1] for line in after]]


def test_the_rest_of_a_broken_cell_is_not_taken_for_a_row(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, 'question,answer\n"a "quoted" word\nsecond line",x\nc,d\n')
    assert questions(rows) == ["c"]
    assert [reject.line for reject in rejects] == [2, 3]


def test_a_line_without_end_is_rejected_and_not_held(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"a\n" + b"x" * 3_000_000 + b"\nb\n")
    lines = list(LineReader(path, "utf-8", line_limit=10_000))
    assert [(line.number, line.text[:3], bool(line.fault)) for line in lines] == [
        (1, "a", False),
        (2, "xxx", True),
        (3, "b", False),
    ]
    assert len(lines[1].text) <= 1_000


def test_lines_may_end_with_a_carriage_return_alone(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, "question,answer\ra,b\rc,d\r")
    assert questions(rows) == ["a", "c"]
    assert not rejects


def test_a_neutralised_cell_is_restored_on_reading(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "question,answer\n'=1+1,''-x\n'quoted','plain\n")
    assert [tuple(row.fields.values()) for row in rows] == [("=1+1", "'-x"), ("'quoted'", "'plain")]


@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFileError, match=r"expected .*; got an empty file; "):
        table(tmp_path, content)


def test_a_repeated_column_keeps_its_first(tmp_path: Path) -> None:
    assert table(tmp_path, "question,answer,question,\na,b,c,d\n").columns == ("question", "answer", "question (2)")


CELL = st.text(alphabet=st.sampled_from("ab ,;\t\"'\n|=é日"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, cells: list) -> None:
    path = tmp_path_factory.mktemp("csv") / "faq.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [("question", "answer"), *[(f"q{first}", f"a{second}") for first, second in cells]]
        )
    rows = list(DelimitedTable(path).rows())
    assert [tuple(row.fields.values()) for row in rows] == [(f"q{first}", f"a{second}") for first, second in cells]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "faq.csv"
    path.write_bytes(content)
    with suppress(ImportFileError):
        assert all(isinstance(row, Row | Reject) for row in DelimitedTable(path).rows())
