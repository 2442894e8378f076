"""Import many rows of which exactly one in a hundred is broken, twice, and print a table of counts, time and memory.

    python tests/benchmarks/import_rows.py [--rows 100000] [--texts 2000] [--var FOLDER]

Then some of the texts that an index of them encodes, by our encoder and by plain SentenceTransformer in turn. Ends
with status 1 where a count is not the one that was made, the memory bar of 1.5 GB is passed, or ours is the slower one.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from kb.database import connect, migrate
from kb.entries import entries_of
from kb.importing import ImportReport, import_paths
from kb.retriever import RetrievalConfig
from kb.store import KnowledgeStore

MEMORY_BAR_MB = 1_500
PASSAGE_WORDS = RetrievalConfig().passage_words
COUNTS = ("rows_read", "added", "updated", "merged", "unchanged", "conflicting", "rejected")
SUBJECTS = ("boots", "tent", "rucksack", "stove", "jacket", "map", "sleeping bag", "poles", "gift card", "parcel")
NEEDS = ("return", "exchange", "track", "repair", "rent", "insure", "clean", "resell", "wrap", "collect")
BROKEN = (
    '"a quote that is never closed {n},the answer\n',
    "only one column {n}\n",
    "one,two,three,four,five and {n}\n",
    ",an answer without its question {n},delivery\n",
    "a question without its answer {n},,delivery\n",
    '"closed" and going on {n},the answer,delivery\n',
    "bytes that are not text \udcff\udcfe {n},the answer,delivery\n",
    "{long} {n},the answer,delivery\n",
)


def main() -> int:
    """Make the file, import it twice, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=2_000, help="encoded by both, drawn by chance; 0 leaves it out")
    parser.add_argument("--var", type=Path, default=None, help="keep file and database here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.var or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        failed = _measure(folder, options.rows)
        return failed or (_share_of_peer(folder, options.texts) if options.texts else 0)


def _measure(folder: Path, rows: int) -> int:
    path = folder / "history.csv"
    broken = make_file(path, rows)
    engine = connect(folder / "frontdesk.db")
    migrate(engine)
    store = KnowledgeStore(engine)
    print(
        f"{rows:,} rows, {broken:,} of them broken, {path.stat().st_size / 1e6:.1f} MB; peak before {_peak_mb():.0f} MB"
    )
    right = True
    table = [("run", *COUNTS, "seconds", "rows/s", "peak MB")]
    for name in ("first", "again"):
        started = time.perf_counter()
        report = import_paths(store, [path], rejects_folder=folder / "imports")
        table.append(_line(name, report, time.perf_counter() - started))
        right &= report.rows_read == rows and report.rejected == broken and report.conflicting == 0
        right &= report.added + report.merged == rows - broken if name == "first" else report.unchanged == rows - broken
    _print_table(table)
    print(f"{store.count():,} pairs in the store; counts {'right' if right else 'WRONG'}")
    engine.dispose()
    return 0 if right and _peak_mb() < MEMORY_BAR_MB else 1


def _share_of_peer(folder: Path, count: int) -> int:
    """Print our rate of encoding imported texts as a share of the peer's in this run; return the exit status."""
    from encode_rate import OURS, PEER, load_both, time_rounds

    engine = connect(folder / "frontdesk.db")
    texts = [entry.encoded for entry in entries_of(KnowledgeStore(engine).pairs(), PASSAGE_WORDS)]
    engine.dispose()
    chosen = random.Random(7).sample(texts, min(count, len(texts)))
    seconds, _ = time_rounds(load_both(folder), chosen, rounds=3)
    ours, peer = (len(chosen) / median(seconds[name]) for name in (OURS, PEER))
    print(f"encoding {len(chosen):,} of {len(texts):,} texts: {ours:.0f}/s, SentenceTransformer {peer:.0f}/s, ", end="")
    print(f"share {ours / peer:.2f}")
    return 0 if ours >= peer else 1


def make_file(path: Path, rows: int) -> int:
    """Write the file, and return how many of its rows are broken: every hundredth, all kinds in turn."""
    chance = random.Random(7)
    broken = 0
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write("question,answer,topic\n")
        for number in range(rows):
            if number % 100 == 50:
                stream.write(BROKEN[broken % len(BROKEN)].format(n=number, long="x" * 2_001))
                broken += 1
                continue
            subject, need = chance.choice(SUBJECTS), chance.choice(NEEDS)
            steps = "".join(f"\n{step}. Do step {chance.randrange(900)} of {need}ing." for step in range(1, 5))
            answer = (
                f"To {need} a **{subject}**, case {number}:\n{steps}\n\nIt takes {number % 9} days, free of charge."
            )
            stream.write(f'How do I {need} my {subject} number {number}?,"{answer}",{subject}\n')
    return broken


def _line(name: str, report: ImportReport, seconds: float) -> tuple[str, ...]:
    counts = [f"{getattr(report, count):,}" for count in COUNTS]
    return (name, *counts, f"{seconds:.1f}", f"{report.rows_read / seconds:,.0f}", f"{_peak_mb():.0f}")


def _print_table(table: Sequence[Sequence[str]]) -> None:
    """Print rows of cells in columns, the first row as the header."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, cells in enumerate(table):
        print("| " + " | ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
