"""Retrieve and match one question with ours and with the plain pipeline in turn; print p50, p95, P@1 and the ratio.

    python tests/benchmarks/serve_match.py [--questions 150] [--rounds 3] [--cores N] [--var FOLDER] [--test CSV]

Ours is retriever and matcher as they serve a promoted checkpoint: evidence from vectors and words, and the graph of the
cross-encoder, which reads only those of the 20 candidates that can still win. The plain pipeline is
`SentenceTransformer.encode` of the question, exact cosines, and `CrossEncoder.predict` of all 20 candidates, with the
same weights and the same texts. Both take turns, question by question, and with them ours without the cascade, reading
all 20. The checkpoint is the one that serves in the
data folder; without a folder a short training on the demo shop makes one. The arithmetic limit is the tokens that are
read, times what a token costs, at the speed of plain fp32 matrix products in the same run. Ends with status 1 where
ours is less than 2.5 times as fast at the median, or its P@1 is more than half a point below the plain one's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import machine, machine_line, note, table
from limits import gemm_peak
from serving_parts import Parts, open_parts, train_parts

from bot.labelled import OOS, read_intents

TEST = Path(__file__).parents[1] / "data" / "demo_questions.csv"
OURS, WIDE, PEER = "frontdesk", "frontdesk, all 20 read", "SentenceTransformer and CrossEncoder"
BAR, CLOSE = 2.5, 0.005
WARM_UP = 5

Answer = Callable[[str], str]
"""Question → id of the best pair."""


def main() -> int:
    """Prepare both, let them take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=150, help="that are asked in every round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="that both may use")
    parser.add_argument("--var", type=Path, default=None, help="data folder with a promoted checkpoint")
    parser.add_argument("--test", type=Path, default=TEST, help="labelled questions, as `evaluate intents` takes them")
    parser.add_argument("--steps", type=int, default=60, help="of the short training where there is no folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    torch.set_num_threads(options.cores)
    found = machine("torch", "onnxruntime", "sentence-transformers", "tokenizers")
    asked = [row for row in read_intents(options.test) if row[1] != OOS]
    chosen = np.random.default_rng(0).permutation(len(asked))[: options.questions]
    with tempfile.TemporaryDirectory() as scratch:
        if options.var is None:
            note("training a matcher on the demo shop")
            train_parts(Path(scratch), options.steps)
        parts = open_parts(options.var or Path(scratch))
        report = {"machine": found, "cores": options.cores, "rounds": options.rounds, "serves": parts.serves}
        report |= compare(parts, [asked[at] for at in chosen], options.rounds)
    print(json.dumps(report, indent=2) if options.json else _as_text(report))
    return 0 if report["ratio"] >= BAR and report["p_at_1_gain"] >= -CLOSE else 1


def compare(parts: Parts, asked: Sequence[tuple[str, str]], rounds: int) -> dict[str, Any]:
    """Return latencies, P@1, what was read, and the share of the arithmetic limit of both."""
    parts.prepare([question for question, _ in asked])
    answers: dict[str, Answer] = {OURS: parts.ours, WIDE: parts.all_read, PEER: parts.plain}
    for question, _ in asked[:WARM_UP]:
        for answer in answers.values():
            answer(question)
    seconds, spent, right = ask_in_turn(answers, asked, rounds)
    peak = gemm_peak()
    report: dict[str, Any] = {"questions": len(asked), "gemm_gflop_per_s": round(peak / 1e9, 1)}
    for name in answers:
        reads = [parts.read(question, has_cascade=name == OURS) for question, _ in asked]
        tokens = float(np.mean([read.tokens for read in reads]))
        limit_s = tokens * parts.flop_per_token / peak
        p50, p95 = np.quantile(seconds[name], [0.5, 0.95])
        report[name] = {
            "ms": {"p50": round(1000 * p50, 2), "p95": round(1000 * p95, 2)},
            "processor_ms": round(1000 * float(np.median(spent[name])), 2),
            "p_at_1": round(float(np.mean(right[name])), 4),
            "candidates": round(float(np.mean([read.candidates for read in reads])), 1),
            "tokens": round(tokens, 1),
            "limit_ms": round(1000 * limit_s, 2),
            "share_of_limit": round(limit_s / float(np.mean(seconds[name])), 2),
        }
        report[name]["times_as_fast"] = round(float(np.median(seconds[PEER]) / np.median(seconds[name])), 2)
        report[name]["by_processor"] = round(float(np.median(spent[PEER]) / np.median(spent[name])), 2)
    report["ratio"] = report[OURS]["times_as_fast"]
    report["p_at_1_gain"] = round(report[OURS]["p_at_1"] - report[PEER]["p_at_1"], 4)
    report["p_at_1_of_evidence"] = _p_at_1(parts.evidence_alone, asked)
    return report


def ask_in_turn(
    answers: Mapping[str, Answer], asked: Sequence[tuple[str, str]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, list[bool]]]:
    """Return seconds of the clock and of the processor of each question, and whether it was answered rightly."""
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    spent: dict[str, list[float]] = {name: [] for name in answers}
    right: dict[str, list[bool]] = {name: [] for name in answers}
    for number in range(rounds):
        note(f"asking {len(asked)} questions: round {number + 1} of {rounds}")
        for question, pair_id in asked:
            for name, answer in answers.items():
                began, began_spent = time.perf_counter(), time.process_time()
                best = answer(question)
                spent[name].append(time.process_time() - began_spent)
                seconds[name].append(time.perf_counter() - began)
                right[name].append(best == pair_id)
    return seconds, spent, right


def _p_at_1(answer: Answer, asked: Sequence[tuple[str, str]]) -> float:
    return round(float(np.mean([answer(question) == pair_id for question, pair_id in asked])), 4)


def _as_text(report: Mapping[str, Any]) -> str:
    rows = [
        ("", "p50 ms", "p95 ms", "processor ms", "times as fast", "by processor", "P@1", "candidates read", "tokens",
         "limit ms", "share of limit")
    ]  # fmt: skip
    for name in (OURS, WIDE, PEER):
        each = report[name]
        rows.append(
            (name, *(f"{value:.1f}" for value in (*each["ms"].values(), each["processor_ms"])),
             f"{each['times_as_fast']:.2f}", f"{each['by_processor']:.2f}", f"{each['p_at_1']:.3f}",
             f"{each['candidates']:.1f}", f"{each['tokens']:.0f}", f"{each['limit_ms']:.1f}",
             f"{each['share_of_limit']:.2f}")
        )  # fmt: skip
    return "\n".join(
        (
            table(rows),
            "",
            f"{report['questions']} questions, {report['rounds']} rounds, {report['cores']} cores, 20 candidates; ours "
            f"serves {report['serves']}. P@1 of evidence alone {report['p_at_1_of_evidence']:.3f}. Peak of fp32 "
            f"products: {report['gemm_gflop_per_s']:.0f} GFLOP/s.",
            "",
            machine_line(report["machine"]),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
