import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from kb.importers.cells import (
    escaped_for_xlsx,
    is_dangerous,
    joined_phrasings,
    neutralised,
    restored,
    split_phrasings,
    unescaped_from_xlsx,
)

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "text with \0", "'=1", "''@x"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_gets_an_apostrophe_and_loses_it_again(cell: str) -> None:
    assert neutralised(cell) == f"'{cell}"
    assert restored(neutralised(cell)) == cell


@pytest.mark.parametrize("cell", ["", "plain", "'quoted' text", "''", "it's", "5 - 3", "a=b"])
def test_an_ordinary_cell_is_left_as_it_is_both_ways(cell: str) -> None:
    assert neutralised(cell) == cell
    assert restored(cell) == cell


@given(st.text())
@example("'=1")
@example("'\0")
def test_restoring_is_the_exact_inverse_of_neutralising(cell: str) -> None:
    assert restored(neutralised(cell)) == cell
    assert not is_dangerous(cell) or neutralised(cell).startswith("'")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
@example("_x0041_ and \x00 and \r\n")
def test_every_text_survives_a_workbook_on_disk(cell: str) -> None:
    book = Workbook()
    book.active["A1"] = f"'{escaped_for_xlsx(cell)}"
    stream = io.BytesIO()
    book.save(stream)
    assert unescaped_from_xlsx(load_workbook(stream, read_only=True).active["A1"].value) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "phrasings"),
    [
        ("", []),
        ("where is it | not here yet|", ["where is it", "not here yet"]),
        ("one a line\nand | kept", ["one a line", "and | kept"]),
        ('["a", "b | c"]', ["a", "b | c"]),
        ("[not json", ["[not json"]),
        ("[1, 2]", ["[1, 2]"]),
    ],
)
def test_phrasings_come_as_lines_bars_or_a_json_list(cell: str, phrasings: list[str]) -> None:
    assert split_phrasings(cell) == phrasings


@given(st.lists(st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool)))
def test_joined_phrasings_are_split_exactly(phrasings: list[str]) -> None:
    assert split_phrasings(joined_phrasings(tuple(phrasings))) == phrasings
