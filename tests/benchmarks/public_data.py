"""Run `frontdesk evaluate` on public data sets; print Markdown tables beside floors, published figures and peers.

    python tests/benchmarks/public_data.py [--valid] [--only NAME ...] [--var FOLDER]

The sets are read from the folder named by FRONTDESK_DATA, else from ../shared/data; what is not there is left out, and
said so. `--valid` asks the validation questions instead of the test questions: make every choice with it. Ends with
status 1 where an evaluation fails.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import machine, machine_line, note, table
from public_sets import INTENTS, RETRIEVAL, RETRIEVAL_PUBLISHED, DataSet

from bot.labelled import OOS
from models.evaluate.refusal import OUT_OF_SCOPE, best_mcc

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "frontdesk"
INTENT_COLUMNS = {
    "in-scope accuracy": "in_scope_accuracy",
    "AUROC": "auroc",
    "best MCC": "best_mcc",
    "MCC at threshold": "mcc_at_threshold",
    "OOS recall": "oos_recall",
}
RETRIEVAL_COLUMNS = {"P@1": "p_at_1", "hit@20": "hit_at_20", "MRR": "mrr"}
ALONE = {"embeddings alone": "embeddings_alone", "BM25 alone": "bm25_alone"}
NONE = "–"

Report = Mapping[str, Any]


def main() -> int:
    """Evaluate what was asked for and is there, and print."""
    names = [each.name for each in (*INTENTS, *RETRIEVAL)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--valid", action="store_true", help="ask validation questions; sets without any are left out")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--var", type=Path, default=None, help="data folder for exported model and vectors")
    options = parser.parse_args()
    data = Path(os.environ.get("FRONTDESK_DATA") or ROOT.parent / "shared" / "data")
    if not data.is_dir():
        print(f"skipped: expected public data sets in {data}; got no such folder; name theirs in FRONTDESK_DATA")
        return 0
    found = machine("torch", "onnxruntime")
    wanted = options.only or names
    with tempfile.TemporaryDirectory() as scratch:
        runs = Runs(data, options.var or Path(scratch), valid=options.valid)
        intents = [(each, runs.of_intents(each)) for each in INTENTS if each.name in wanted]
        retrieval = [(each, runs.of_retrieval(each)) for each in RETRIEVAL if each.name in wanted]
    print_intents([each for each in intents if each[1]], data, valid=options.valid)
    print_retrieval([each for each in retrieval if each[1]], valid=options.valid)
    if runs.left_out:
        print("\n".join(f"- {line}" for line in runs.left_out) + "\n")
    asked = "Validation" if options.valid else "Test"
    print(f"{asked} questions; 95 % intervals in brackets. {machine_line(found)}")
    return 1 if runs.failed else 0


class Runs:
    """Evaluations one after the other, each in a process of its own, all in one data folder."""

    def __init__(self, data: Path, var: Path, *, valid: bool) -> None:
        self._data, self._var, self._valid = data, var, valid
        self.left_out: list[str] = []
        self.failed = False

    def of_intents(self, chosen: DataSet) -> Report:
        """Return the report on a set of intents; nothing where it is left out or fails."""
        folder = self._data / chosen.folder
        split = self._split(chosen, (chosen.train, chosen.valid if self._valid else chosen.test))
        if not split:
            return {}
        return self._evaluate(chosen.name, "intents", "--train", folder / chosen.train, "--test", folder / split)

    def of_retrieval(self, chosen: DataSet) -> Report:
        """Return the report on a retrieval folder; nothing where it is left out or fails."""
        folder = self._data / chosen.folder
        split = chosen.valid if self._valid else chosen.test
        if not self._split(chosen, ("passages.jsonl", f"{split}.jsonl")):
            return {}
        return self._evaluate(chosen.name, "retrieval", "--dir", folder, "--split", split, "--compare")

    def _split(self, chosen: DataSet, files: Sequence[str]) -> str:
        """Return the last file, of the questions, where all files are there; else say why the set is left out."""
        if self._valid and not chosen.valid:
            self.left_out.append(f"{chosen.name}: left out, it has no validation questions")
            return ""
        missing = [file for file in files if not (self._data / chosen.folder / file).is_file()]
        if missing:
            self.left_out.append(f"{chosen.name}: left out, no {' and no '.join(missing)} in {chosen.folder}")
            return ""
        return files[-1]

    def _evaluate(self, name: str, kind: str, *options: str | Path) -> Report:
        note(f"evaluating {name}")
        started = time.perf_counter()
        command = [COMMAND, "evaluate", kind, *options, "--var", self._var, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
        note(f"  {time.perf_counter() - started:.0f} s")
        if done.returncode:
            self.failed = True
            self.left_out.append(f"{name}: FAILED with exit code {done.returncode}")
            return {}
        report: Report = json.loads(done.stdout)
        return report


def print_intents(reports: Sequence[tuple[DataSet, Report]], data: Path, *, valid: bool) -> None:
    """Print one table; under each set what others reach on its test questions."""
    if not reports:
        return
    rows = [("intents", "by", "n", *INTENT_COLUMNS, "p50 ms")]
    for chosen, report in reports:
        cells = [_measure(report, key) for key in INTENT_COLUMNS.values()]
        rows.append((chosen.name, "frontdesk", f"{report['n']:,}", *cells, f"{report['latency_ms']['p50']:.1f}"))
        others = {} if valid else {**chosen.others, **peers_of(data / chosen.folder)}
        for name, figures in others.items():
            rows.append(("", name, "", *(_measure(figures, key) for key in INTENT_COLUMNS.values()), ""))
    print(f"{table(rows, left=2)}\n")


def print_retrieval(reports: Sequence[tuple[DataSet, Report]], *, valid: bool) -> None:
    """Print one table: fused, embeddings alone and BM25 alone on the same entries, and what others reach."""
    if not reports:
        return
    rows = [("retrieval", "by", "n", *RETRIEVAL_COLUMNS, "fused minus this, P@1")]
    for chosen, report in reports:
        cells = [_measure(report, key) for key in RETRIEVAL_COLUMNS.values()]
        rows.append((chosen.name, "frontdesk, fused", f"{report['n']:,}", *cells, ""))
        for name, key in ALONE.items():
            alone = report[key]
            mean, low, high = alone["fusion_minus_this_p_at_1"]
            cells = [_measure(alone, column) for column in RETRIEVAL_COLUMNS.values()]
            rows.append(("", name, "", *cells, f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"))
        for name, figures in ({} if valid else chosen.others).items():
            rows.append(("", name, "", *(_measure(figures, key) for key in RETRIEVAL_COLUMNS.values()), ""))
    print(f"{table(rows, left=2)}\n")
    if not valid:
        print(f"{RETRIEVAL_PUBLISHED}\n")


def peers_of(folder: Path) -> dict[str, Report]:
    """Return the best MCC over all thresholds of each peer whose predictions on the test questions are in `peers`."""
    return {
        f"{file.stem}, its predictions": {"best_mcc": _peer_mcc(file)} for file in sorted(folder.glob("peers/*.csv"))
    }


def _peer_mcc(file: Path) -> float:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = sorted({row[column] for row in rows for column in ("label", "predicted")} - {OOS})
    code = {label: at for at, label in enumerate(labels)} | {OOS: OUT_OF_SCOPE}
    gold, predicted = (np.array([code[row[column]] for row in rows]) for column in ("label", "predicted"))
    return best_mcc(gold, predicted, np.array([float(row["confidence"]) for row in rows]))


def _measure(report: Report, key: str) -> str:
    """Return a figure with its 95 % interval where there is one."""
    if key not in report:
        return NONE
    low, high = report.get("intervals", {}).get(key, (None, None))
    return f"{report[key]:.3f}" if low is None else f"{report[key]:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
