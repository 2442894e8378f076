"""Imports of damaged and huge files, and imports that are cut off."""

import csv
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from benchmarks.import_rows import make_file
from fakes_kb import pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_runs import CHATS, FAQ, counts, new_engine, rows_of, run, write
from sqlalchemy import Engine

from kb.database import connect
from kb.errors import ImportFileError
from kb.importing import ImportProgress
from kb.store import KnowledgeStore


def test_a_file_over_the_limit_is_refused_at_once(sqlite_engine: Engine, tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as stream:
        stream.truncate(3_000_000_000)
    with pytest.raises(ImportFileError, match=r"at most 2,000,000,000 bytes in huge\.csv; got 3,000,000,000"):
        run(sqlite_engine, tmp_path / "huge.csv")


HEADS_AND_TAILS = {
    "huge.csv": (b"question,answer\na?,b\n", b"\nc?,d\n"),
    "huge.jsonl": (b'{"question": "a?", "answer": "b"}\n', b'\n{"question": "c?", "answer": "d"}\n'),
    "huge.json": (b'[{"question": "a?", "answer": "b"},\n', b', {"question": "c?", "answer": "d"}]'),
}


GIGABYTE = 1_000_000_000


def make_hollow(path: Path, head: bytes, tail: bytes) -> None:
    """Make a file of 1 GB that takes no room on the disk: NUL between its head and its tail."""
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(GIGABYTE - len(tail))
        stream.seek(0, 2)
        stream.write(tail)


@pytest.mark.parametrize("name", HEADS_AND_TAILS)
def test_a_file_of_a_gigabyte_is_streamed_in_little_memory(sqlite_engine: Engine, tmp_path: Path, name: str) -> None:
    make_hollow(tmp_path / name, *HEADS_AND_TAILS[name])
    run(sqlite_engine, write(tmp_path / "small.csv", FAQ))
    tracemalloc.start()
    report = run(sqlite_engine, tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts(report) == {"added": 2, "rejected": 1}
    assert peak < 64_000_000
    assert report.files[0].rejects_file.stat().st_size < 100_000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("huge.md", r"at most 50,000,000 bytes of Markdown in huge\.md; got 1,000,000,000; split it"),
        ("huge.xlsx", r"expected an XLSX workbook in huge\.xlsx"),
    ],
)
def test_a_file_of_a_gigabyte_that_can_not_be_streamed_is_refused(
    sqlite_engine: Engine, tmp_path: Path, name: str, message: str
) -> None:
    make_hollow(tmp_path / name, b"# a?\nb\n", b"")
    with pytest.raises(ImportFileError, match=message):
        run(sqlite_engine, tmp_path / name)


def test_of_many_rows_exactly_the_broken_ones_are_listed_as_they_stood_in_the_file(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "history.csv"
    broken = make_file(path, 2_000)
    report = run(engine, path)
    assert (report.rows_read, report.rejected, broken) == (2_000, 20, 20)
    assert counts(report) == {"added": 1_980, "rejected": 20}
    assert KnowledgeStore(engine).count() == 1_980
    lines = path.read_text(encoding="utf-8", errors="backslashreplace").split("\n")
    with report.files[0].rejects_file.open(encoding="utf-8-sig", newline="") as stream:
        rejects = list(csv.DictReader(stream))
    assert len({each["reason"].split(":")[0] for each in rejects}) >= 5
    assert [each["original"] for each in rejects] == [lines[int(each["row"]) - 1] for each in rejects]


def test_a_failure_while_storing_leaves_the_store_as_it_was(sqlite_engine: Engine, tmp_path: Path) -> None:
    def stop(_: ImportProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(sqlite_engine, write(tmp_path / "faq.csv", FAQ), progress=stop)
    assert KnowledgeStore(sqlite_engine).count() == 0
    assert not (tmp_path / "imports").exists()


TEXT = st.text(alphabet=st.sampled_from('ab,"\n=\x00 éß'), max_size=8)
GOOD = st.tuples(st.integers(0, 5), st.integers(0, 3)).map(lambda pair: f'"how {pair[0]}?",answer {pair[1]}\n')
BAD = st.sampled_from([",empty\n", "empty,\n", "one\n", "a,b,c\n", '"x"y,z\n', '"open,z\n', "\udcff,z\n"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(GOOD | BAD | TEXT.map(lambda text: f"{text}\n"), max_size=12))
def test_rows_read_is_always_the_sum_of_the_outcomes(sqlite_engine: Engine, tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "faq.csv"
    path.write_bytes("".join(["question,answer\n", "sure?,yes\n", *lines]).encode("utf-8", "surrogateescape"))
    first, again = run(sqlite_engine, path), run(sqlite_engine, path)
    assert first.rows_read == again.rows_read
    assert first.rejected == again.rejected
    assert again.added == again.updated == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(GOOD, max_size=8), st.lists(BAD, max_size=5), st.randoms(use_true_random=False))
def test_exactly_the_broken_rows_are_rejected(
    sqlite_engine: Engine, tmp_path: Path, good: list[str], bad: list[str], chance: Any
) -> None:
    lines = [*good, *bad]
    chance.shuffle(lines)
    path = tmp_path / "faq.csv"
    path.write_bytes("".join(["question,answer\n", "sure?,yes\n", *lines]).encode("utf-8", "surrogateescape"))
    report = run(sqlite_engine, path)
    assert (report.rejected, report.rows_read) == (len(bad), len(lines) + 1)


KILLED = """
import sys
from pathlib import Path
from kb.database import connect
from kb.importing import import_paths
from kb.store import KnowledgeStore

folder = Path(sys.argv[1])
import_paths(KnowledgeStore(connect(folder / "frontdesk.db")), [folder / "in"], rejects_folder=folder / "imports")
"""


@pytest.mark.parametrize("stored_bytes", [200_000, 4_000_000])
def test_an_import_killed_in_the_middle_and_run_again_ends_as_one_run(tmp_path: Path, stored_bytes: int) -> None:
    folders = [tmp_path / "killed", tmp_path / "whole"]
    for folder in folders:
        (folder / "in").mkdir(parents=True)
        rows = "".join(
            f'"How do I do thing number {number}?","Do this, then **that**, {number} times.\n{"step " * 40}"\n'
            for number in range(15_000)
        )
        write(folder / "in" / "faq.csv", f"question,answer\n{rows}broken\n")
        write(folder / "in" / "chats.csv", CHATS)
    engines = [new_engine(folder) for folder in folders]
    KnowledgeStore(engines[0]).upsert([pair("Known before?", "Yes.")])
    KnowledgeStore(engines[1]).upsert([pair("Known before?", "Yes.")])
    engines[0].dispose()
    log = folders[0] / "frontdesk.db-wal"
    before = log.stat().st_size if log.exists() else 0
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folders[0])], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        # What a transaction has changed spills into the write-ahead log long before it is committed.
        if log.exists() and log.stat().st_size > before + stored_bytes:
            break
        threading.Event().wait(0.002)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    engine = connect(folders[0] / "frontdesk.db")
    assert [each.question for each in KnowledgeStore(engine).pairs()] == ["Known before?"]
    assert not (folders[0] / "imports").exists()
    reports = [
        run(each, folder / "in", rejects_folder=folder / "imports")
        for each, folder in zip([engine, engines[1]], folders, strict=True)
    ]
    assert counts(reports[0]) == counts(reports[1])
    killed, whole = rows_of(engine), rows_of(engines[1])
    for rows in (killed, whole):
        del rows["imports"]
    assert killed == whole
    assert KnowledgeStore(engine).corpus_hash() == KnowledgeStore(engines[1]).corpus_hash()
    names = sorted(path.name for path in (folders[0] / "imports").iterdir())
    assert names == ["chats.rejected.csv", "faq.rejected.csv"]
    for each in (engine, engines[1]):
        each.dispose()
