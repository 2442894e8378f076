"""Five suggestions from a history that asks the same again and again: how often two of them mean the same.

    python tests/benchmarks/near_duplicates.py --history history.csv [--questions 500]

The file has question, answer, intent, as raw history of support: thousands of rows of some dozens of intents, which the
selection doesn't know. Candidates are all rows, relevant as they are similar to a question of the history. Told are,
for relevance alone, for suppression by cosine, and for groups, the share of selections in which two have one intent.

Groups are clusters by average linkage of the cosines of question and answer together. Their distance is chosen on the
rows of one half of the intents: the highest at which the fewest selections repeat one. Told are the other half and all.
"""

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from figures import machine, machine_line, note, table
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from bot.build import open_encoder
from bot.config import Config
from bot.selector import select
from kb.types import FloatArray

DISTANCES = tuple(round(0.4 + 0.02 * step, 2) for step in range(25))
ANSWER_CHARACTERS = 400
COSINE = 0.8


class Part:
    """Rows of some intents: questions, questions with answers, and what they mean."""

    def __init__(self, questions: FloatArray, both: FloatArray, intents: NDArray[np.str_], count: int) -> None:
        self.questions, self.intents = questions, intents
        self.tree = linkage(both, method="average", metric="cosine")
        self.asked = np.random.default_rng(0).choice(len(intents), min(count, len(intents)), replace=False)

    def repeated(self, **given: object) -> float:
        """Return the share of selections in which two have one intent."""
        found = []
        for at in self.asked:
            relevance = np.clip(self.questions @ self.questions[at], 0.0, 1.0)
            chosen = select(self.questions, relevance, 5, **given)  # type: ignore[arg-type]
            found.append(len(set(self.intents[chosen])) < len(chosen))
        return float(np.mean(found))

    def groups(self, distance: float) -> NDArray[np.int64]:
        """Return the group of each row."""
        return np.asarray(fcluster(self.tree, distance, "distance"), dtype=np.int64)


def main() -> int:
    """Choose on one half of the intents, and print what it gives on the other and on all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history", type=Path, required=True, help="CSV with question, answer, intent")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the halves")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    parts = _parts(options.history, options.questions, options.seed)
    tuning = parts.pop("tuned on")
    repeated = [tuning.repeated(groups=tuning.groups(each)) for each in DISTANCES]
    distance = DISTANCES[len(repeated) - 1 - int(np.argmin(repeated[::-1]))]
    note(f"on the half that it is tuned on {min(repeated):.3f} at {distance}: {repeated}")
    figures = {name: _figures(part, distance) for name, part in parts.items()}
    if options.json:
        sys.stdout.write(json.dumps({"distance": distance, "figures": figures}, indent=2) + "\n")
        return 0
    sys.stdout.write(machine_line(machine("numpy", "scipy")) + f"\n\ndistance {distance}\n\n")
    names = list(next(iter(figures.values())))
    rows = [(name, *(f"{each[column]:.3f}" for column in names)) for name, each in figures.items()]
    sys.stdout.write(table([("share with an intent twice", *names), *rows]) + "\n")
    return 0


def _figures(part: Part, distance: float) -> dict[str, float]:
    groups = part.groups(distance)
    return {
        "relevance alone": part.repeated(strategy="relevance", duplicate_similarity=1.0),
        f"cosine above {COSINE}": part.repeated(duplicate_similarity=COSINE),
        "groups": part.repeated(groups=groups),
        "number of groups": float(len(set(groups.tolist()))),
        "intents": float(len(set(part.intents.tolist()))),
    }


def _parts(path: Path, count: int, seed: int) -> dict[str, Part]:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [(row["question"], row["answer"][:ANSWER_CHARACTERS], row["intent"]) for row in csv.DictReader(lines)]
    note(f"encoding {2 * len(rows)} texts")
    with tempfile.TemporaryDirectory() as scratch:
        encoder = open_encoder(Path(scratch), Config())
        questions, answers = (encoder.encode([row[at] for row in rows]) for at in (0, 1))
    both = questions + answers
    intents = np.array([row[2] for row in rows])
    named = np.random.default_rng(seed).permutation(np.unique(intents))
    half = {"tuned on": named[: len(named) // 2], "other half": named[len(named) // 2 :], "all": named}
    return {name: _part(questions, both, intents, each, count) for name, each in half.items()}


def _part(
    questions: FloatArray, both: FloatArray, intents: NDArray[np.str_], kept: NDArray[np.str_], count: int
) -> Part:
    at = np.flatnonzero(np.isin(intents, kept))
    return Part(questions[at], both[at], intents[at], count)


if __name__ == "__main__":
    raise SystemExit(main())
