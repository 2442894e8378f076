"""What other systems said to the same test questions: a folder `peers` beside the test file, one CSV file a system."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.comparison import compare_outcomes
from bot.evaluation import Outcome, intent_report
from bot.labelled import OOS, Labelled
from kb.errors import ImportFileError, describe

FOLDER = "peers"
_COLUMNS = ("text", "label", "predicted", "confidence")
_FIGURES = ("in_scope_accuracy", "auroc", "best_mcc")


def read_peers(tests: Sequence[Path], rows: Sequence[tuple[str, str]]) -> dict[str, list[Outcome]]:
    """Return the outcomes (n,) of each system whose file has the very rows of the test.

    Args:
        tests: the test files; only a single one can have peers.
        rows: text and label of its questions.

    Raises:
        ImportFileError: a file is not of the format, or of other questions.
    """
    folder = tests[0].parent / FOLDER
    if len(tests) != 1 or not folder.is_dir():
        return {}
    return {path.stem: _read(path, rows) for path in sorted(folder.glob("*.csv"))}


def peers_report(
    questions: Sequence[Labelled],
    outcomes: Sequence[Outcome],
    peers: Mapping[str, Sequence[Outcome]],
    pair_ids: Sequence[str],
) -> dict[str, Any]:
    """Return the figures of each system, and by how much ours differ, with paired bootstrap intervals."""
    report = {}
    for name, theirs in peers.items():
        known = sorted({*pair_ids, *(each.ranking[0] for each in theirs if each.ranking)})
        figures = intent_report(questions, theirs, known)
        compared = compare_outcomes(questions, theirs, outcomes)["measures"]
        report[name] = {key: figures[key] for key in _FIGURES if key in figures} | {
            "ours_minus_this": {
                key: {"difference": each["difference"], "interval": each["interval"]} for key, each in compared.items()
            }
        }
    return report


def _read(path: Path, rows: Sequence[tuple[str, str]]) -> list[Outcome]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            found = list(csv.DictReader(stream, strict=True))
        said = [
            ((row["text"] or "").strip(), row["label"].strip(), row["predicted"].strip(), float(row["confidence"]))
            for row in found
        ]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ImportFileError(
            describe(
                expected=f"columns {','.join(_COLUMNS)} in {path}",
                got=str(error),
                remedy="mend the file, or move the folder away",
            )
        ) from error
    said = [each for each in said if each[0]]
    if [(text, label) for text, label, _, _ in said] != list(rows):
        raise ImportFileError(
            describe(
                expected=f"the {len(rows)} questions of the test in {path}, in their order",
                got=f"{len(said)} rows that differ",
                remedy="mend the file, or move the folder away",
            )
        )
    return [_outcome(predicted, confidence) for _, _, predicted, confidence in said]


def _outcome(predicted: str, confidence: float) -> Outcome:
    ranking = () if predicted in ("", OOS) else (predicted,)
    return Outcome(ranking=ranking, confidence=confidence, answered=bool(ranking), threshold=0.0, latency_ms=0.0)
