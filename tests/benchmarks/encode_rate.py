"""Encode with our encoder and with plain SentenceTransformer in turn; print rates, their ratio, and latencies.

    python tests/benchmarks/encode_rate.py [--texts N] [--rounds 5] [--questions 100] [--var FOLDER] [--json]

The texts are those that an import of the demo shop encodes: questions, phrasings, and passages of answers. The peer is
`SentenceTransformer(folder).encode(texts)` with its defaults, on the same model. Both take turns, after a warm-up that
isn't counted, so that other work slows both; on a busy machine the peer's threads suffer more than ours, so publish
figures of a quiet one. Ends with status 1 where the ratio is below 1, or the vectors differ.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from figures import machine, machine_line, note, table
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from bot.build import ENCODERS, open_database
from bot.config import Config
from kb.entries import Entry, entries_of
from kb.importing import import_paths
from kb.store import KnowledgeStore
from models.encoder import load_encoder
from models.export import MAX_DIFFERENCE
from models.folder import open_model

DEMO = Path(__file__).parents[2] / "kb" / "demo"
OURS, PEER = "frontdesk", "SentenceTransformer"
WARM_UP_TEXTS = 64
SEED = 7

Encode = Callable[[list[str]], NDArray[np.float32]]


def main() -> int:
    """Load both, let them take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--texts", type=_positive, default=None, help="how many of the demo's, drawn by chance; by default all"
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="in which each of the two encodes all texts")
    parser.add_argument("--questions", type=_positive, default=100, help="that are encoded one by one for latencies")
    parser.add_argument("--var", type=Path, default=None, help="keep the database and the exported model here")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    found = machine("torch", "onnxruntime", "sentence-transformers", "tokenizers")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.var or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        texts, questions = _sample(demo_entries(folder), options.texts, options.questions)
        encoders = load_both(folder)
    report = {"machine": found} | compare(encoders, texts, questions, options.rounds)
    print(json.dumps(report, indent=2) if options.json else _as_text(report))
    return 0 if report["ratio"] >= 1 and report["largest_difference"] <= MAX_DIFFERENCE else 1


def demo_entries(folder: Path) -> list[Entry]:
    """Import the demo shop into a database in the folder, and return what an index of it encodes."""
    note("importing the demo shop")
    engine = open_database(folder, Config())
    try:
        store = KnowledgeStore(engine)
        import_paths(store, [DEMO], rejects_folder=folder / "rejects")
        return list(entries_of(store.pairs(), Config().retrieval.passage_words))
    finally:
        engine.dispose()


def load_both(folder: Path) -> dict[str, Encode]:
    """Return both ways to encode, ours with its graph exported to the folder, and warm."""
    note("loading both")
    encoders: dict[str, Encode] = {
        OURS: load_encoder(cache=folder / ENCODERS).encode,
        PEER: SentenceTransformer(str(open_model().path)).encode,
    }
    for encode in encoders.values():
        encode([f"Where is parcel number {number}?" for number in range(WARM_UP_TEXTS)])
        encode(["Where is my parcel?"])
    return encoders


def compare(
    encoders: Mapping[str, Encode], texts: Sequence[str], questions: Sequence[str], rounds: int
) -> dict[str, Any]:
    """Return rates, latencies, ratios of ours to the peer's, and the largest difference of a component of a vector."""
    seconds, vectors = time_rounds(encoders, list(texts), rounds)
    note(f"encoding {len(questions)} questions one by one")
    latencies = time_single(encoders, questions)
    report: dict[str, Any] = {"texts": len(texts), "words": sum(len(text.split()) for text in texts), "rounds": rounds}
    for name in encoders:
        p50, p95 = np.quantile(latencies[name], [0.5, 0.95])
        report[name] = {
            "texts_per_s": round(len(texts) / median(seconds[name]), 1),
            "texts_per_s_by_round": [round(len(texts) / each, 1) for each in seconds[name]],
            "single_question_ms": {"p50": round(float(p50), 2), "p95": round(float(p95), 2)},
        }
    report["ratio"] = round(median(seconds[PEER]) / median(seconds[OURS]), 3)
    report["questions"] = len(questions)
    report["largest_difference"] = float(np.abs(vectors[OURS] - vectors[PEER]).max())
    return report


def time_rounds(
    encoders: Mapping[str, Encode], texts: list[str], rounds: int
) -> tuple[dict[str, list[float]], dict[str, NDArray[np.float32]]]:
    """Return the seconds of each round of each encoder, taking turns, and the vectors of each (n, d)."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    vectors = {}
    for number in range(rounds):
        note(f"encoding {len(texts):,} texts: round {number + 1} of {rounds}")
        for name, encode in encoders.items():
            started = time.perf_counter()
            vectors[name] = encode(texts)
            seconds[name].append(time.perf_counter() - started)
    return seconds, vectors


def time_single(encoders: Mapping[str, Encode], questions: Sequence[str]) -> dict[str, list[float]]:
    """Return the milliseconds of every question, encoded alone, by both one after the other."""
    milliseconds: dict[str, list[float]] = {name: [] for name in encoders}
    for question in questions:
        for name, encode in encoders.items():
            started = time.perf_counter()
            encode([question])
            milliseconds[name].append(1000 * (time.perf_counter() - started))
    return milliseconds


def _sample(entries: Sequence[Entry], texts: int | None, questions: int) -> tuple[list[str], list[str]]:
    """Return texts for the rate, in the order of an import, and what customers ask for the latencies."""
    chance = random.Random(SEED)
    count = min(texts or len(entries), len(entries))
    chosen = [entries[at].encoded for at in sorted(chance.sample(range(len(entries)), count))]
    asked = [entry.encoded for entry in entries if entry.role != "answer"]
    return chosen, chance.sample(asked, min(questions, len(asked)))


def _as_text(report: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        ("", "texts/s, median", "slowest and fastest round", "one question, p50 ms", "p95 ms")
    ]
    for name in (OURS, PEER):
        each = report[name]
        low, high = min(each["texts_per_s_by_round"]), max(each["texts_per_s_by_round"])
        single = each["single_question_ms"]
        rate = f"{each['texts_per_s']:,.0f}"
        rows.append((name, rate, f"{low:,.0f} to {high:,.0f}", f"{single['p50']:.1f}", f"{single['p95']:.1f}"))
    peer, ours = (report[name]["single_question_ms"] for name in (PEER, OURS))
    faster = [f"{peer[key] / ours[key]:.2f}" for key in ("p50", "p95")]
    rows.append(("times as fast", f"{report['ratio']:.2f}", "", *faster))
    return "\n".join(
        (
            table(rows),
            "",
            f"{report['texts']:,} texts of {report['words'] / report['texts']:.0f} words on average, "
            f"{report['rounds']} rounds; {report['questions']} questions one by one. "
            f"Largest difference of a component of a unit vector: {report['largest_difference']:.1e}.",
            "",
            machine_line(report["machine"]),
        )
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on; got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
