"""docs/data-model.md has every table and column, and none that doesn't exist."""

import re
from pathlib import Path

import pytest
from sqlalchemy import ForeignKey

from kb.tables import Base

PAGE = Path(__file__).parent.parent / "docs" / "data-model.md"
SECTION = re.compile(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page():
    """Type and meaning of every column on the page, by table and column."""
    sections = SECTION.findall(PAGE.read_text(encoding="utf-8"))
    return {
        name: {column: (kind, meaning) for column, kind, meaning in COLUMN.findall(body)} for name, body in sections
    }


def test_the_page_has_every_table_and_no_other(page):
    assert sorted(page) == sorted(Base.metadata.tables)


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_the_page_has_every_column_of_a_table_in_its_order_and_no_other(page, table):
    assert list(page[table]) == [column.name for column in Base.metadata.tables[table].columns]


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_the_page_tells_keys_references_and_nulls_as_they_are(page, table):
    def marks(references: set[ForeignKey]) -> list[str]:
        return [f"→ `{each.column.table.name}`" for each in references]

    for column in Base.metadata.tables[table].columns:
        expected = ["key"] * column.primary_key + marks(column.foreign_keys) + ["may be null"] * bool(column.nullable)
        assert page[table][column.name][0].split(", ")[1:] == expected, column.name


def test_the_sketch_names_every_table():
    sketch = PAGE.read_text(encoding="utf-8").split("```")[1]
    assert set(Base.metadata.tables) <= set(re.findall(r"\w+", sketch))
