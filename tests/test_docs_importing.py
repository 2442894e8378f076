"""docs/importing.md tells formats, roles, outcomes and limits as the code has them."""

from pathlib import Path

import pytest

from kb.importers.columns import PAIR_NAMES, TURN_NAMES
from kb.importers.delimited import RECORD_LIMIT
from kb.importers.lines import LINE_LIMIT
from kb.importers.markdown import SIZE_LIMIT
from kb.importers.readers import SUFFIXES
from kb.importers.records import ANSWER_LIMIT, FIELD_LIMIT, FILE_LIMIT, QUESTION_LIMIT
from kb.importers.workbook import TEXTS_LIMIT

PAGE = (Path(__file__).parent.parent / "docs" / "importing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_told(suffix):
    assert f"`{suffix}`" in PAGE


@pytest.mark.parametrize("role", [role for role in (*PAIR_NAMES, *TURN_NAMES) if role != "intent"])
def test_every_role_is_told(role):
    assert f"`{role}`" in PAGE


@pytest.mark.parametrize("outcome", ["added", "merged", "unchanged", "updated", "conflicting", "rejected"])
def test_every_outcome_is_told(outcome):
    assert f"\n| {outcome} | " in PAGE


@pytest.mark.parametrize(
    ("what", "limit", "unit"),
    [
        ("file", FILE_LIMIT, "bytes"),
        ("Markdown file", SIZE_LIMIT, "bytes"),
        ("texts of an XLSX file, unpacked", TEXTS_LIMIT, "bytes"),
        ("one line", LINE_LIMIT, "bytes"),
        ("one record of CSV", RECORD_LIMIT, "characters"),
        ("question, phrasing", QUESTION_LIMIT, "characters"),
        ("answer, turn of a conversation", ANSWER_LIMIT, "characters"),
        ("id, topic, source", FIELD_LIMIT, "characters"),
    ],
)
def test_every_limit_is_told(what, limit, unit):
    assert f"\n| {what} | {limit:,} {unit} | " in PAGE
