import csv
import json
import os
from pathlib import Path

import pytest
from fakes_kb import pair
from import_runs import CHATS, FAQ, counts, rows_of, run, write
from openpyxl import Workbook
from sqlalchemy import Engine

from kb.errors import ImportFileError
from kb.importing import ImportProgress
from kb.store import DuplicatePolicy, KnowledgeStore

DATA = Path(os.environ.get("FRONTDESK_DATA", "../shared/data"))
PAIRS = [
    ("Wo ist mein Paket?", "Öffnen Sie **Meine Bestellungen**.", "Versand"),
    ("Größe, Farbe?", "Beides geht.", "Ware"),
]


def as_delimited(path: Path, delimiter: str, encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([("Frage", "Antwort", "Thema"), *PAIRS])


def as_workbook(path: Path) -> None:
    book = Workbook()
    for row in [("Frage", "Antwort", "Thema"), *PAIRS]:
        book.active.append(row)
    book.save(path)


def as_json(path: Path, *, lines: bool) -> None:
    objects = [dict(zip(("question", "answer", "topic"), each, strict=True)) for each in PAIRS]
    write(path, "".join(json.dumps(each) + "\n" for each in objects) if lines else json.dumps(objects))


FORMATS = {
    "faq.csv": lambda path: as_delimited(path, ";", "cp1252"),
    "faq.tsv": lambda path: as_delimited(path, "\t", "utf-16"),
    "faq.jsonl": lambda path: as_json(path, lines=True),
    "faq.json": lambda path: as_json(path, lines=False),
    "faq.xlsx": as_workbook,
    "faq.md": lambda path: write(path, "".join(f"# {topic}\n## {q}\n{a}\n" for q, a, topic in PAIRS)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_knowledge(engine: Engine, tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name)
    report = run(engine, tmp_path / name)
    assert counts(report) == {"added": 2}
    found = [(each.question, each.answer, each.topic) for each in KnowledgeStore(engine).pairs()]
    assert sorted(found) == sorted(PAIRS)


def test_the_report_tells_how_the_file_was_read(sqlite_engine: Engine, tmp_path: Path) -> None:
    as_delimited(tmp_path / "faq.csv", ";", "cp1252")
    file = run(sqlite_engine, tmp_path / "faq.csv").files[0]
    assert (file.info.format, file.info.encoding, file.info.delimiter, file.kind) == ("csv", "cp1252", ";", "pairs")
    assert file.columns == {"question": "Frage", "answer": "Antwort", "topic": "Thema"}


def test_the_same_import_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    faq, chats = write(tmp_path / "faq.csv", FAQ), write(tmp_path / "chats.csv", CHATS)
    store = KnowledgeStore(engine)
    run(engine, faq, chats)
    before = rows_of(engine)
    version, transitions = store.version(), store.transitions()
    report = run(engine, faq, chats)
    assert counts(report) == {"unchanged": 2}
    assert (report.history_conversations, store.version(), store.transitions()) == (0, version, transitions)
    after = rows_of(engine)
    assert len(after.pop("imports")) == 2 * len(before.pop("imports"))
    assert after == before


def test_conversations_give_pairs_links_and_what_was_asked_next(engine: Engine, tmp_path: Path) -> None:
    report = run(engine, write(tmp_path / "faq.csv", FAQ), write(tmp_path / "chats.csv", CHATS))
    assert counts(report) == {"added": 3}
    assert (report.turns_read, report.history_conversations, report.transitions) == (13, 2, 3)
    store = KnowledgeStore(engine)
    mined = next(each for each in store.pairs() if each.pair_id not in ("track", "refund"))
    assert mined.question == "Can I return worn boots?"
    assert mined.answer == ("Yes, but only if they were worn indoors, and within 14 days of delivery. It is free.")
    assert mined.source == "chats.csv"
    steps = {(each.from_pair, each.to_pair): each.count for each in store.transitions()}
    assert steps == {("track", mined.pair_id): 1, ("refund", mined.pair_id): 1, (mined.pair_id, "track"): 1}


def test_no_personal_data_of_a_conversation_is_stored(sqlite_engine: Engine, tmp_path: Path) -> None:
    chats = CHATS + "3,customer,My name is Otto Klein and my card is 4111 1111 1111 1111,2026-01-04T10:00:00Z,\n"
    run(sqlite_engine, write(tmp_path / "chats.csv", chats))
    stored = repr(rows_of(sqlite_engine))
    assert "where is my parcel" in stored
    for personal in ("anna@mail.example", "Maya", "Otto", "4111"):
        assert personal not in stored


def test_a_dry_run_tells_the_same_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    faq = write(tmp_path / "faq.csv", FAQ + "only one\n")
    chats = write(tmp_path / "chats.csv", CHATS)
    before = rows_of(engine)
    dry = run(engine, faq, chats, dry_run=True)
    assert rows_of(engine) == before
    assert not (tmp_path / "imports").exists()
    real = run(engine, faq, chats)
    assert dry.dry_run
    assert counts(dry) == counts(real) == {"added": 3, "rejected": 1}
    assert (dry.history_conversations, dry.transitions) == (real.history_conversations, real.transitions)


def test_rejected_rows_go_to_a_file_with_row_reason_and_original(sqlite_engine: Engine, tmp_path: Path) -> None:
    content = "question,answer\n,=no question\na,b\n=1+1\nlong," + "x" * 20_001 + "\n"
    report = run(sqlite_engine, write(tmp_path / "faq.csv", content))
    assert counts(report) == {"added": 1, "rejected": 3}
    path = report.files[0].rejects_file
    assert path == tmp_path / "imports" / "faq.rejected.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[:3] == [
        ["row", "reason", "original"],
        ["2", "empty question", ",=no question"],
        ["4", "1 columns, but the header has 2", "'=1+1"],
    ]
    assert rows[3][:2] == ["5", "answer of 20,001 characters, more than 20,000"]
    write(tmp_path / "faq.csv", "question,answer\na,b\n")
    assert run(sqlite_engine, tmp_path / "faq.csv").files[0].rejects_file is None
    assert list((tmp_path / "imports").iterdir()) == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("q" * 2_001 + ",a,,", "question of 2,001 characters, more than 2,000"),
        ("q,a," + "t" * 501 + ",", "topic of 501 characters, more than 500"),
        ("q,a,,not a locale", "locale 'not a locale' is no language code such as en or de-AT"),
        ("  ,a,,", "empty question"),
        ("q,\u200b,,", "empty answer"),
    ],
)
def test_a_row_beyond_the_limits_is_rejected(sqlite_engine: Engine, tmp_path: Path, row: str, reason: str) -> None:
    report = run(sqlite_engine, write(tmp_path / "faq.csv", f"question,answer,topic,locale\n{row}\n"))
    assert counts(report) == {"rejected": 1}
    assert report.files[0].rejects_file is not None
    assert reason in report.files[0].rejects_file.read_text(encoding="utf-8-sig")


def test_text_that_no_database_takes_is_cleaned_or_rejected(engine: Engine, tmp_path: Path) -> None:
    lines = [
        {"question": "a \x00 b", "answer": "x"},
        {"question": "\ud800", "answer": "x"},
        {"question": "c", "answer": "d"},
    ]
    report = run(engine, write(tmp_path / "faq.jsonl", "".join(json.dumps(line) + "\n" for line in lines)))
    assert counts(report) == {"added": 2, "rejected": 1}
    assert {each.question for each in KnowledgeStore(engine).pairs()} == {"a b", "c"}


def test_a_question_known_with_another_answer_is_kept_or_replaced(engine: Engine, tmp_path: Path) -> None:
    store = KnowledgeStore(engine)
    store.upsert([pair("Where is my parcel?", "On its way.")])
    path = write(tmp_path / "faq.csv", "question,answer,locale\nwhere is my parcel,In the shop.,en\n")
    report = run(engine, path)
    assert counts(report) == {"conflicting": 1}
    assert report.files[0].rejects_file is not None
    assert "known with another answer" in report.files[0].rejects_file.read_text()
    assert counts(run(engine, path, policy=DuplicatePolicy.REPLACE)) == {"updated": 1}
    assert [each.answer for each in store.pairs()] == ["In the shop."]


def test_two_rows_with_one_id_do_not_take_turns(engine: Engine, tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", "id,question,answer\n1,a?,b\n1,a?,b\n")
    other = write(tmp_path / "b.csv", "id,question,answer\n1,c?,d\n")
    assert counts(run(engine, one, other)) == {"added": 1, "unchanged": 1, "rejected": 1}
    assert [each.question for each in KnowledgeStore(engine).pairs()] == ["a?"]


def test_a_mapping_names_columns_that_tell_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "faq.csv", "Column A,Column B\na,b\n")
    assert counts(run(sqlite_engine, path, mapping={"question": "Column A", "answer": "Column B"})) == {"added": 1}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"question": "Column C", "answer": "Column B"}, r"expected a column 'Column C' for question in faq\.csv"),
        ({"question": "Column A"}, "expected columns for question and answer"),
        ({"colour": "Column A"}, "expected one of question, answer, "),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_and_nothing_is_stored(
    sqlite_engine: Engine, tmp_path: Path, mapping: dict[str, str], message: str
) -> None:
    path = write(tmp_path / "faq.csv", "Column A,Column B\na,b\n")
    with pytest.raises(ImportFileError, match=message):
        run(sqlite_engine, path, mapping=mapping)
    assert KnowledgeStore(sqlite_engine).count() == 0


def test_a_mapping_names_the_columns_of_conversations(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "chats.csv", CHATS.replace("conversation_id,role,text,time", "A,B,C,D", 1))
    report = run(sqlite_engine, path, mapping={"conversation_id": "A", "role": "B", "text": "C", "time": "D"})
    assert (report.files[0].kind, report.turns_read, report.history_conversations) == ("transcript", 13, 2)


def test_a_clearly_mixed_file_gets_a_locale_for_each_row(sqlite_engine: Engine, tmp_path: Path) -> None:
    english = "How do I return item number {0} to the shop?,You can send it back within sixty days of delivery {0}.\n"
    german = (
        "Wie kann ich den Artikel {0} zurückgeben?,Sie können ihn innerhalb von sechzig Tagen zurückschicken {0}.\n"
    )
    lines = "".join(text.format(number) for number in range(20) for text in (english, german))
    lines = f"question,answer\n{lines}"
    run(sqlite_engine, write(tmp_path / "faq.csv", lines))
    store = KnowledgeStore(sqlite_engine)
    assert (len(list(store.pairs("en"))), len(list(store.pairs("de")))) == (20, 20)


def test_folders_are_walked_and_lists_of_rejected_rows_are_not(sqlite_engine: Engine, tmp_path: Path) -> None:
    for name in ("b/faq.csv", "a/faq.csv", "a/.hidden.csv", "a/faq.rejected.csv", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, f"question,answer\n{name},x {name}\n,\n")
    report = run(sqlite_engine, tmp_path, tmp_path / "a" / "faq.csv")
    assert [file.path.relative_to(tmp_path).as_posix() for file in report.files] == ["a/faq.csv", "b/faq.csv"]
    assert [file.rejects_file.name for file in report.files if file.rejects_file] == [
        "faq.rejected.csv",
        "faq-2.rejected.csv",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "got an empty file"),
        ("wrong.csv", b"name,price\na,1\n", "got the columns name, price"),
        ("broken.xlsx", b"PK\x03\x04 cut short", "expected an XLSX workbook"),
        ("text.md", b"no heading", "expected headings as questions"),
        ("one.json", b'{\n"a": 1}', "one object over several lines"),
        ("notes.docx", b"x", r"expected a file that ends in \.csv, "),
        ("missing.csv", None, "got nothing there"),
    ],
)
def test_what_is_no_import_is_refused_and_nothing_is_stored(
    sqlite_engine: Engine, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    good = write(tmp_path / "good.csv", FAQ)
    with pytest.raises(ImportFileError, match=message):
        run(sqlite_engine, good, tmp_path / name)
    assert KnowledgeStore(sqlite_engine).count() == 0


def test_progress_comes_to_the_end(sqlite_engine: Engine, tmp_path: Path) -> None:
    seen: list[ImportProgress] = []
    lines = "".join(f"q {number},a {number}\n" for number in range(1_200))
    run(
        sqlite_engine,
        write(tmp_path / "a.csv", f"question,answer\n{lines}"),
        write(tmp_path / "b.csv", FAQ),
        progress=seen.append,
    )
    assert [each.rows_read for each in seen] == [500, 1_000, 1_200, 1_202]
    assert seen[-1].bytes_done == seen[-1].bytes_total
    assert [each.bytes_done for each in seen] == sorted(each.bytes_done for each in seen)


@pytest.mark.data
def test_a_real_history_is_imported_and_again_changes_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = DATA / "history" / "bitext" / "history.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here: set FRONTDESK_DATA to the folder with the public data sets")
    first = run(sqlite_engine, path, rejects_folder=tmp_path)
    assert first.rows_read == 4_514
    assert first.rejected == 0
    assert first.files[0].columns == {"question": "question", "answer": "answer", "topic": "category"}
    store = KnowledgeStore(sqlite_engine)
    assert {each.locale for each in store.pairs()} == {"en"}
    before = store.corpus_hash()
    again = run(sqlite_engine, path, rejects_folder=tmp_path)
    assert again.added == again.updated == again.merged == 0
    assert store.corpus_hash() == before


@pytest.mark.data
def test_real_dialogues_tell_what_is_asked_next(sqlite_engine: Engine, tmp_path: Path) -> None:
    folder = DATA / "dialogues" / "multidogo-finance"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: set FRONTDESK_DATA to the folder with the public data sets")
    intents = ("checkbalance", "transfermoney", "updateaddress", "replacecard", "reportlostcard", "orderchecks")
    KnowledgeStore(sqlite_engine).upsert(
        [pair(f"How about {name}?", f"About {name}.", pair_id=name) for name in intents]
    )
    report = run(sqlite_engine, folder, rejects_folder=tmp_path)
    assert report.turns_read > 10_000
    assert report.history_conversations > 1_000
    assert report.transitions > 200
    transitions = KnowledgeStore(sqlite_engine).transitions()
    assert {each.from_pair for each in transitions} <= set(intents)
    assert sum(each.count for each in transitions) == report.transitions
