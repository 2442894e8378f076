"""Conversations imported beside pairs that somebody wrote: linked, added, or listed to be looked at."""

import csv
from pathlib import Path

import pytest
from import_runs import counts, new_engine, rows_of, run, write
from sqlalchemy import Engine

from kb.importers.privacy import masked
from kb.importing import ImportReport
from kb.store import KnowledgeStore
from kb.types import QAPair

DEMO = Path(__file__).parent.parent / "kb" / "demo"
FAQ = """id,question,answer,topic,locale
postage,How much does standard delivery cost?,"**£3.95** an order, and free from £50. It is charged once.",delivery,en
express,How does express work?,"Order before 14:00 on a working day and it arrives the next, for £7.95.",delivery,en
tent,How do I dry a wet tent?,"Unpack it within 24 hours, hang up flysheet and inner, off the radiators.",care,en
"""
CHATS = """conversation_id,role,text
1,customer,what do you charge for postage of socks
1,agent,"Standard delivery is £3.95 an order, and free from £50."
1,customer,is there anything quicker than the normal post?
1,agent,"Order before 14:00 and it arrives on the next working day, for £7.95."
1,customer,do you sell kayaks or paddles
1,agent,We stopped selling kayaks and paddles when the lake shop closed.
2,customer,are there any kayaks in the shop?
2,agent,"Sorry, we stopped selling kayaks and paddles when the lake shop closed."
2,customer,what do you charge for express to Wales
2,agent,"Order before 11:00 on a working day and it arrives the next, for £9.50."
"""


def imported(engine: Engine, folder: Path) -> ImportReport:
    return run(engine, write(folder / "faq.csv", FAQ), write(folder / "chats.csv", CHATS))


def pairs_by_id(engine: Engine) -> dict[str, QAPair]:
    return {each.pair_id: each for each in KnowledgeStore(engine).pairs()}


def test_a_linked_question_becomes_a_phrasing_and_changes_nothing_else_of_its_pair(
    engine: Engine, tmp_path: Path
) -> None:
    run(engine, write(tmp_path / "faq.csv", FAQ))
    before = pairs_by_id(engine)["postage"]
    imported(engine, tmp_path)
    after = pairs_by_id(engine)["postage"]
    assert after.phrasings == ("what do you charge for postage of socks",)
    fields = ("question", "answer", "topic", "locale", "source")
    assert [getattr(after, field) for field in fields] == [getattr(before, field) for field in fields]


def test_turns_of_linked_questions_count_as_asked_one_after_the_other(engine: Engine, tmp_path: Path) -> None:
    report = imported(engine, tmp_path)
    new = next(iter(pairs_by_id(engine).keys() - {"postage", "express", "tent"}))
    steps = {(each.from_pair, each.to_pair) for each in KnowledgeStore(engine).transitions()}
    assert steps == {("postage", "express"), ("express", new)}
    assert report.transitions == 2


def test_only_an_answer_that_is_clearly_new_is_added_and_once(engine: Engine, tmp_path: Path) -> None:
    report = imported(engine, tmp_path)
    assert counts(report) == {"added": 4, "merged": 3, "rejected": 1}
    (new,) = [each for each in pairs_by_id(engine).values() if each.source == "chats.csv"]
    assert (new.question, new.phrasings) == ("do you sell kayaks or paddles", ("are there any kayaks in the shop?",))


def test_what_is_near_only_is_listed_and_stays_an_unmatched_turn(engine: Engine, tmp_path: Path) -> None:
    report = imported(engine, tmp_path)
    assert report.files[1].rejects_file is not None
    with report.files[1].rejects_file.open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["row"] == "10"
    assert row["reason"] == ("near a known answer, but not certainly the same: look at it, beside the pair express")
    assert row["original"].startswith("what do you charge for express to Wales | Order before 11:00")
    assert [each.text for each in KnowledgeStore(engine).unmatched_history()] == [
        "what do you charge for express to Wales"
    ]


def test_the_same_import_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    imported(engine, tmp_path)
    before = rows_of(engine)
    again = imported(engine, tmp_path)
    after = rows_of(engine)
    del before["imports"], after["imports"]
    assert after == before
    assert counts(again) == {"unchanged": 3, "rejected": 1}


def test_without_pairs_in_the_store_every_answered_question_is_kept(engine: Engine, tmp_path: Path) -> None:
    report = run(engine, write(tmp_path / "chats.csv", CHATS))
    assert counts(report) == {"added": 4, "merged": 1}
    assert list(KnowledgeStore(engine).unmatched_history()) == []


def test_a_question_that_says_nothing_by_itself_counts_in_history_but_is_no_phrasing(
    engine: Engine, tmp_path: Path
) -> None:
    chats = """conversation_id,role,text
1,customer,which is how much then?
1,agent,"Standard delivery is £3.95 an order, and free from £50."
"""
    report = run(engine, write(tmp_path / "faq.csv", FAQ), write(tmp_path / "chats.csv", chats))
    assert counts(report) == {"added": 3, "unchanged": 1}
    assert pairs_by_id(engine)["postage"].phrasings == ()
    assert list(KnowledgeStore(engine).unmatched_history()) == []


def test_a_dry_run_tells_what_would_be_linked_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    before = rows_of(engine)
    paths = write(tmp_path / "faq.csv", FAQ), write(tmp_path / "chats.csv", CHATS)
    dry = run(engine, *paths, dry_run=True)
    assert rows_of(engine) == before
    assert counts(dry) == counts(run(engine, *paths)) == {"added": 4, "merged": 3, "rejected": 1}


LINKED_IN_DEMO = {
    "whats postage on a pair of gaiters?": "delivery-cost-standard",
    "what do i get per pound": "club-points-earned",
    "how long is it guaranteed for": "warranty-length",
    "Any idea where is? Should have been here by now": "",
    "including gas cartridges?": "",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[KnowledgeStore, ImportReport, ImportReport]:
    """Return the demo knowledge base, and the reports of two imports of it."""
    folder = tmp_path_factory.mktemp("demo")
    engine = new_engine(folder)
    paths = (*sorted(DEMO.glob("*.jsonl")), DEMO / "conversations.csv")
    first, again = (run(engine, *paths, rejects_folder=folder) for _ in range(2))
    return KnowledgeStore(engine), first, again


def test_the_demo_conversations_ask_for_the_demo_pairs_and_add_none(
    demo: tuple[KnowledgeStore, ImportReport, ImportReport],
) -> None:
    store, first, again = demo
    chats = first.files[-1]
    assert (chats.added, again.added, again.merged) == (0, 0, 0)
    # Of 272 questions with an answer nine in ten are linked; hand-checked, see docs/importing.md.
    assert chats.merged + chats.unchanged >= 0.9 * chats.rows_read
    assert store.count() == first.added


@pytest.mark.parametrize(("question", "pair_id"), LINKED_IN_DEMO.items())
def test_demo_questions_go_to_the_pair_that_answers_them(
    demo: tuple[KnowledgeStore, ImportReport, ImportReport], question: str, pair_id: str
) -> None:
    found = [each.pair_id for each in demo[0].pairs() if question in each.phrasings]
    assert found == ([pair_id] if pair_id else [])


@pytest.mark.parametrize("name", ["orders_delivery_payment.jsonl", "returns_account_products.jsonl"])
def test_where_pairs_are_missing_the_same_import_again_changes_nothing(
    sqlite_engine: Engine, tmp_path: Path, name: str
) -> None:
    paths = (DEMO / name, DEMO / "conversations.csv")
    first = run(sqlite_engine, *paths, rejects_folder=tmp_path / "imports")
    before = rows_of(sqlite_engine)
    again = run(sqlite_engine, *paths, rejects_folder=tmp_path / "imports")
    after = rows_of(sqlite_engine)
    del before["imports"], after["imports"]
    assert after == before
    assert again.rejected == first.rejected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It fits a chest of 104-109 cm.", True),
        ("Write to complaints@shop.example.", True),
        ("My order is 104-109.", False),
        ("My order is #104-109 cm.", False),
    ],
)
def test_what_others_need_to_know_is_not_taken_for_personal(text: str, kept: bool) -> None:
    assert (masked(text) == text) is kept
