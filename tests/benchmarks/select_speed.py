"""Select 10 of 1,000 candidates by each strategy and by pyversity's counterpart in turn; print p50, p95 and the ratio.

    python tests/benchmarks/select_speed.py [--candidates 1000] [--k 10] [--rounds 300]

Vectors are random unit vectors of 384 dimensions. Everything is of one core: set OMP_NUM_THREADS=1. Ends with status 1
where the median of a strategy is above 3 ms.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyversity
from figures import machine, machine_line, table

from bot.selector import STRATEGIES, select
from kb.types import FloatArray

DIMENSION, DIVERSITY, BAR_MS = 384, 0.3, 3.0
# What selects most alike; pyversity has neither aspects nor coverage by relevance.
PEERS = {"mmr": "mmr", "dpp": "dpp", "facility": "cover", "coverage": "msd"}


def main() -> int:
    """Let all take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=1_000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    found = machine("numpy", "pyversity")
    took_ms = _timed(_calls(options.candidates, options.k), options.rounds)
    figures = {
        name: {"p50_ms": _quantile(took_ms, name, 50), "p95_ms": _quantile(took_ms, name, 95)} for name in took_ms
    }
    for ours, theirs in PEERS.items():
        figures[ours]["times_as_fast"] = figures[f"pyversity {theirs}"]["p50_ms"] / figures[ours]["p50_ms"]
    if options.json:
        sys.stdout.write(json.dumps({"machine": found, "figures": figures}, indent=2) + "\n")
    else:
        rows = [
            (
                name,
                f"{each['p50_ms']:.2f}",
                f"{each['p95_ms']:.2f}",
                f"{each.get('times_as_fast', 0):.1f}".replace("0.0", ""),
            )
            for name, each in figures.items()
        ]
        sys.stdout.write(machine_line(found) + "\n\n")
        sys.stdout.write(table([("strategy", "p50 ms", "p95 ms", "times as fast as its peer"), *rows]) + "\n")
    return int(any(figures[name]["p50_ms"] > BAR_MS for name in STRATEGIES))


def _calls(count: int, k: int) -> dict[str, Callable[[], object]]:
    generator = np.random.default_rng(0)
    vectors: FloatArray = generator.normal(size=(count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    relevance: FloatArray = generator.random(count).astype(np.float32)

    def ours(name: str) -> Callable[[], object]:
        return lambda: select(vectors, relevance, k, DIVERSITY, name)  # type: ignore[arg-type]

    def theirs(name: str) -> Callable[[], object]:
        return lambda: pyversity.diversify(vectors, relevance, k=k, strategy=name, diversity=DIVERSITY)

    return {name: ours(name) for name in STRATEGIES} | {f"pyversity {name}": theirs(name) for name in PEERS.values()}


def _timed(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 5):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            took[name].append(1000 * (time.perf_counter() - began))
    return {name: each[5:] for name, each in took.items()}


def _quantile(took_ms: dict[str, list[float]], name: str, percent: int) -> float:
    return float(np.percentile(took_ms[name], percent))


if __name__ == "__main__":
    raise SystemExit(main())
