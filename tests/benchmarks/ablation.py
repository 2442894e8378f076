"""What each technique of training is worth: one row a technique, against the same training without it.

Each row changes one setting of the base training, trains once a seed, and asks the validation questions: what is chosen
by this is not chosen on test. The gain over the base row is over the same seeds, resampled in pairs by question.
Results are appended to a file line by line: a run that was stopped goes on.

    .venv/bin/python tests/benchmarks/ablation.py --set banking77-5 --seeds 3 --out ablation.jsonl
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from figures import machine, machine_line, note, table

from bot.config import Config, from_mapping
from bot.labelled import Labelled, labelled_of_intents, pairs_of_intents, read_intents, read_retrieval
from bot.trained_runs import Test, intent_corpus, retrieval_corpus, trained_runs
from models.evaluate.bootstrap import paired_difference
from models.training.config import TrainingConfig, preset

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FRONTDESK_DATA", ROOT.parent / "shared" / "data"))
RETRIEVAL = ("feedbackqa-cdc", "feedbackqa-uk", "feedbackqa-who")

NO_MATCHER: Mapping[str, Any] = {"matcher": {"steps": 0}}
# Name of a row, and what it changes in the base of its stage: encoder alone, or encoder and matcher.
ENCODER_ROWS: Mapping[str, Mapping[str, Any]] = {
    "no training": {"encoder": {"steps": 0}},
    "encoder, contrastive": {},
    "random batches, none near": {"contrastive": {"near_share": 0.0}},
    "half of the anchors near": {"contrastive": {"near_share": 0.5, "scales_near": False}},
    "without off-topic questions": {"contrastive": {"off_topic": 0}},
    "mined answers as negatives": {"contrastive": {"negatives": 2}},
    "batches of 64 anchors": {"contrastive": {"anchors": 64}},
    "augmented questions": {"contrastive": {"augment": 0.3}},
    "label smoothing": {"contrastive": {"smoothing": 0.1}},
    "pairs as they come (no resampling)": {"contrastive": {"tail": 1.0}},
    "masked-language-model warm-up": {"warm_up": {"optimiser": {"steps": 200}}},
    "FGM": {"encoder": {"attack": "fgm"}},
    "PGD": {"encoder": {"attack": "pgd"}},
    "averaged weights (EMA)": {"encoder": {"average": 0.98}},
    "layer-wise decay .9": {"encoder": {"layer_decay": 0.9}},
    "two layers frozen": {"adapt": {"method": "frozen", "frozen_layers": 2}},
    "LoRA": {"adapt": {"method": "lora"}, "encoder": {"learning_rate": 5e-4}},
    "(IA)3": {"adapt": {"method": "ia3"}, "encoder": {"learning_rate": 5e-3}},
    "bottlenecks": {"adapt": {"method": "adapters"}, "encoder": {"learning_rate": 1e-3}},
    "prefixes": {"adapt": {"method": "prefix"}, "encoder": {"learning_rate": 1e-3}},
    "questions spliced": {"contrastive": {"splice": 0.3}},
    "float32": {"encoder": {"precision": "fp32"}},
}
MATCHER_ROWS: Mapping[str, Mapping[str, Any]] = {
    "matcher, listwise": {},
    "matcher, binary cross-entropy": {"matching": {"loss": "bce"}},
    "matcher, squared error": {"matching": {"loss": "mse"}},
    "matcher, margin": {"matching": {"loss": "margin"}},
    "matcher with R-Drop": {"matching": {"r_drop": 0.5}},
    "matcher with label smoothing": {"matching": {"smoothing": 0.1}},
    "matcher with FGM": {"matcher": {"attack": "fgm"}},
    "matcher with EMA": {"matcher": {"average": 0.98}},
}


def main() -> int:
    """Run what is missing in the file, and print the table of what is there."""
    arguments = _arguments()
    tests, training = _problem(arguments.set)
    rows = {name: {**NO_MATCHER, **change} for name, change in ENCODER_ROWS.items()}
    if arguments.matcher:
        rows |= dict(MATCHER_ROWS)
    chosen = {name: change for name, change in rows.items() if not arguments.rows or name in arguments.rows}
    done = _read(arguments.out)
    # The torch runtime saves an export a seed; a ranking is the same.
    config = from_mapping(Config, {"encoder": {"runtime": "torch"}}, "ablation")
    before: Any = None
    for name, change in chosen.items():
        settings = from_mapping(TrainingConfig, change, name, training)
        for seed in range(arguments.seeds):
            key = _key(arguments.set, name, change, seed)
            if key in done:
                continue
            note(f"{name}, seed {seed}")
            with tempfile.TemporaryDirectory() as work:
                runs = trained_runs(tests, replace(settings, seed=seed), config, Path(work), 1, before=before)
            before = runs.before
            found = {
                "key": key,
                "set": arguments.set,
                "row": name,
                "seed": seed,
                "hits": [
                    float(outcome.ranking[:1] != () and outcome.ranking[0] in question.right)
                    for test, outcomes in zip(tests, runs.seeds[0].outcomes, strict=True)
                    for question, outcome in zip(test.questions, outcomes, strict=True)
                ],
                "seconds": runs.seeds[0].seconds,
            }
            done[key] = found
            with arguments.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(found) + "\n")
    _print(arguments.set, chosen, done, arguments.seeds)
    return 0


def _problem(name: str) -> tuple[list[Test], TrainingConfig]:
    training = preset("balanced")
    if name == "feedbackqa":
        tests = []
        for folder in (DATA / "retrieval" / each for each in RETRIEVAL):
            pairs, asked = read_retrieval(folder, "valid")
            corpus = retrieval_corpus(pairs, read_retrieval(folder, "train")[1], asked, training)
            tests.append(Test(name=folder.name, corpus=corpus, questions=asked))
        return tests, training
    folder = DATA / "intents" / "banking77"
    pairs = pairs_of_intents(read_intents(folder / f"train_{name.rpartition('-')[2]}.csv"))
    valid = read_intents(folder / "valid.csv")
    questions: list[Labelled] = labelled_of_intents(valid, [pair.pair_id for pair in pairs])
    return [Test(name=name, corpus=intent_corpus(pairs, valid, training), questions=questions)], training


def _print(name: str, rows: Mapping[str, Any], done: Mapping[str, Any], seeds: int) -> None:
    print(f"{name}, validation questions, {date.today()}, {machine_line(machine('torch', 'transformers'))}\n")
    lines = [["technique", "P@1", "sd", "gain", "95 % interval", "minutes", "seeds"]]
    found = {row: [each for each in done.values() if each["set"] == name and each["row"] == row] for row in rows}
    for row, runs in found.items():
        runs = runs[:seeds]
        if not runs:
            continue
        base_name = "matcher, listwise" if row.startswith("matcher") else "encoder, contrastive"
        if row == "matcher, listwise":
            base_name = "encoder, contrastive"
        base = {each["seed"]: each for each in found.get(base_name, [])}
        shared = [each for each in runs if each["seed"] in base]
        gain, interval = "", ""
        if shared and row != base_name:
            ours = np.mean([each["hits"] for each in shared], axis=0)
            theirs = np.mean([base[each["seed"]]["hits"] for each in shared], axis=0)
            mean, low, high = paired_difference(ours, theirs)
            gain, interval = f"{mean:+.4f}", f"{low:+.4f} to {high:+.4f}"
        values = [float(np.mean(each["hits"])) for each in runs]
        spread = f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
        minutes = float(np.mean([each["seconds"] for each in runs])) / 60
        lines.append([row, f"{np.mean(values):.4f}", spread, gain, interval, f"{minutes:.1f}", str(len(runs))])
    print(table(lines))


def _key(name: str, row: str, change: Mapping[str, Any], seed: int) -> str:
    about = json.dumps([name, row, change, seed], sort_keys=True)
    return hashlib.sha256(about.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return {row["key"]: row for row in rows}


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="banking77-5", choices=["banking77-5", "banking77-10", "feedbackqa"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("ablation.jsonl"))
    parser.add_argument("--matcher", action="store_true", help="also the rows of the matcher: some minutes a seed more")
    parser.add_argument("--rows", nargs="*", default=[], help="only these, by name")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
