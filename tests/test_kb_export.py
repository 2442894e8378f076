import csv
import json
from pathlib import Path

import pytest
from fakes_kb import impression, pair, turn
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from sqlalchemy import Engine

from kb.database import connect, migrate
from kb.errors import InputError
from kb.export import export_log, export_pairs
from kb.importing import import_paths
from kb.log import ConversationLog
from kb.store import KnowledgeStore
from kb.types import QAPair

FORMATS = ("csv", "jsonl", "xlsx")
DANGEROUS = [
    "=1+1",
    "+49 30",
    "-5",
    "- a list\n- of two",
    "@here",
    "'=1",
    "''-x",
    "'quoted' word",
    "it's",
    "_x0041_",
    "a\tb",
]


def stored(folder: Path, pairs: list[QAPair]) -> KnowledgeStore:
    folder.mkdir()
    engine = connect(folder / "frontdesk.db")
    migrate(engine)
    store = KnowledgeStore(engine)
    store.upsert(pairs)
    return store


def content(store: KnowledgeStore) -> list[tuple]:
    return [
        (
            each.pair_id,
            each.question,
            each.answer,
            each.topic,
            each.locale,
            each.source,
            each.phrasings,
            each.content_hash,
        )
        for each in store.pairs()
    ]


def there_and_back(folder: Path, format: str, pairs: list[QAPair]) -> None:
    store = stored(folder / "from", pairs)
    path = folder / f"pairs.{format}"
    assert export_pairs(store, path) == store.count()
    back = stored(folder / "to", [])
    report = import_paths(back, [path], rejects_folder=folder)
    assert report.added == report.rows_read == store.count()
    assert content(back) == content(store)
    assert back.corpus_hash() == store.corpus_hash()


@pytest.mark.parametrize("format", FORMATS)
def test_cells_that_look_like_formulas_come_back_exactly(tmp_path: Path, format: str) -> None:
    pairs = [
        pair(text, f"{text}\n\nanswer", pair_id=f"p{number}", topic=text, source=text, phrasings=(f"{text} a", "b | c"))
        for number, text in enumerate(DANGEROUS)
    ]
    there_and_back(tmp_path, format, pairs)


TEXT = st.text(alphabet=st.sampled_from("=+-@'\t\r\n\0\"|;, aé日🙂[]#_x04"), min_size=1, max_size=12)
WORDS = TEXT.map(lambda text: f"{text}w")
PAIRS = st.lists(
    st.builds(
        lambda number, question, answer, topic, phrasings: pair(
            f"{question}{number}",
            f"{answer}{number}",
            pair_id=f"p{number}",
            topic=topic,
            locale="de",
            phrasings=tuple(phrasings),
        ),
        st.integers(0, 10_000),
        WORDS,
        WORDS,
        TEXT,
        st.lists(WORDS, max_size=3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each.pair_id,
)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS)
def test_every_pair_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, format: str, pairs: list[QAPair]
) -> None:
    there_and_back(tmp_path_factory.mktemp("trip"), format, pairs)


def test_no_cell_can_run_as_a_formula(tmp_path: Path) -> None:
    store = stored(tmp_path / "var", [pair(text, text, topic=text, locale="en") for text in DANGEROUS])
    export_pairs(store, tmp_path / "pairs.csv")
    export_pairs(store, tmp_path / "pairs.xlsx")
    with (tmp_path / "pairs.csv").open(encoding="utf-8-sig", newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    sheet = load_workbook(tmp_path / "pairs.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
    cells += [str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_an_export_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    store = stored(tmp_path / "var", [pair("How?", "So.")])
    path = tmp_path / "pairs.xlsx"
    export_pairs(store, path)
    before = path.read_bytes()
    store.upsert([pair("Why?", "Because.", phrasings=tuple(f"why {number} {'x' * 900}" for number in range(40)))])
    with pytest.raises(InputError, match=r"expected cells of at most 32,767 characters .* export as CSV or JSONL"):
        export_pairs(store, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["pairs.xlsx"]
    assert export_pairs(store, tmp_path / "pairs.csv") == 2


def test_a_format_that_is_not_known_is_refused(tmp_path: Path) -> None:
    store = stored(tmp_path / "var", [])
    with pytest.raises(InputError, match="expected one of csv, jsonl, xlsx; got pdf"):
        export_pairs(store, tmp_path / "pairs.pdf")


@pytest.mark.parametrize("format", FORMATS)
def test_the_log_is_exported_with_votes_and_impressions(engine: Engine, tmp_path: Path, format: str) -> None:
    log = ConversationLog(engine)
    conversation = log.start_conversation()
    log.record(turn(conversation, "t-1", "=HYPERLINK(1)"), [impression("t-1")])
    log.record(turn(conversation, "t-2"), [])
    log.vote(conversation, "t-1", -1, "wrong", "@all of it")
    path = tmp_path / f"log.{format}"
    assert export_log(log, path) == 2
    if format == "jsonl":
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert records[0]["votes"][0]["comment"] == "@all of it"
    elif format == "csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            records = list(csv.DictReader(stream))
        assert json.loads(records[0]["votes"])[0]["reason"] == "wrong"
    else:
        header, *rows = load_workbook(path).active.iter_rows(values_only=True)
        records = [dict(zip(header, row, strict=True)) for row in rows]
    assert [record["turn_id"] for record in records] == ["t-1", "t-2"]
    assert records[0]["question"] == ("=HYPERLINK(1)" if format == "jsonl" else "'=HYPERLINK(1)")
    assert conversation not in path.read_bytes().decode(errors="replace")


def test_an_empty_log_gives_an_empty_file(sqlite_engine: Engine, tmp_path: Path) -> None:
    assert export_log(ConversationLog(sqlite_engine), tmp_path / "log.csv") == 0
    assert (tmp_path / "log.csv").is_file()
