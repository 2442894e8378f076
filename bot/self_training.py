"""Unlabelled questions that a trained encoder answers surely become questions to learn from (self-training).

What is taken must be surer than validation questions have to be to be right often enough, and embeddings and probe must
name the same pair, each on its own. The encoder is then trained anew on labelled and pseudo-labelled questions together
(Lee 2013; Xie et al. 2020).
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bot.asking import Asked, Judges
from bot.corpus import Corpus
from kb.errors import TrainingDataError, describe
from kb.types import FloatArray
from models.calibrate import Calibration
from models.training.config import SelfTrainingConfig
from models.training.data import LabeledPair, SplitConfig
from models.training.grouping import normalised, question_groups

COLUMNS = ("question", "text")
"""Of a CSV file: the first of these that it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinions:
    """What was found best for each of n questions: row of the pair, confidence, and whether all name that pair."""

    rows: NDArray[np.int64]
    confidence: FloatArray
    agreed: NDArray[np.bool_]


def read_unlabelled(path: Path) -> list[str]:
    """Return the questions of a text file, one a line, or of the column question or text of a `.csv`; each once.

    Raises:
        TrainingDataError: there is no such file, it isn't UTF-8, has no such column, or no question.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            texts = list(_column(path, stream)) if path.suffix.lower() == ".csv" else stream.read().splitlines()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unusable(f"a UTF-8 file of questions at {path}", str(reason), "name another file") from error
    found = {normalised(text): " ".join(text.split()) for text in reversed(texts) if text.strip()}
    if not found:
        raise _unusable(f"unlabelled questions in {path}", "no text", "name a file that has some")
    return list(reversed(found.values()))


def least_confidence(confidence: FloatArray, is_right: NDArray[np.bool_], config: SelfTrainingConfig) -> float | None:
    """Return the lowest confidence from which on answers are right as often as is asked for; None where there is none.

    Args:
        confidence: of questions whose answer is known (n,).
        is_right: whether what was found for each is right (n,).
        config: says how often, and how many questions there must be at least.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    count = np.arange(1, len(order) + 1)
    precision = np.cumsum(is_right[order]) / count
    # Equal confidences are taken or left together.
    is_end = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True) if len(order) else np.empty(0, dtype=bool)
    fit = np.flatnonzero(is_end & (precision >= config.precision) & (count >= config.fewest))
    return float(sorted_confidence[fit[-1]]) if len(fit) else None


def pseudo_labeled(
    corpus: Corpus,
    judges: Judges,
    calibration: Calibration,
    valid: Sequence[Asked],
    off_topic: Sequence[str],
    config: SelfTrainingConfig,
    grouping: SplitConfig,
) -> list[LabeledPair]:
    """Return the unlabelled questions of a corpus that are answered surely, with the pairs that answer them.

    Questions that are nearly those of validation are left out, and so are those that are labelled already.

    Args:
        corpus: with `unlabelled`.
        judges: with the encoder that was trained on its labelled questions.
        calibration: of what judges.
        valid: questions whose answer is known and that were not trained on: they say how sure is sure enough.
        off_topic: questions that nothing answers; what is found for them is wrong.
        config: see `SelfTrainingConfig`.
        grouping: says which questions are nearly the same.
    """
    known = opinions(judges, calibration, valid)
    far = opinions(judges, calibration, _asked(judges, off_topic))
    is_right = [int(row) in asked.rows for row, asked in zip(known.rows, valid, strict=True)]
    agreed = np.concatenate([known.agreed, far.agreed])
    least = least_confidence(
        np.concatenate([known.confidence, far.confidence])[agreed],
        np.array([*is_right, *([False] * len(off_topic))], dtype=bool)[agreed],
        config,
    )
    if least is None:
        return []
    texts = _fresh(corpus, grouping)
    found = opinions(judges, calibration, _asked(judges, texts))
    taken: dict[int, list[int]] = defaultdict(list)
    for at in np.argsort(-found.confidence, kind="stable").tolist():
        row = int(found.rows[at])
        if found.agreed[at] and found.confidence[at] >= least and len(taken[row]) < config.most_per_pair:
            taken[row].append(at)
    return [
        LabeledPair(
            question=texts[at], pair_id=judges.retriever.pairs[row].pair_id, weight=config.weight, origin="pseudo"
        )
        for row, positions in sorted(taken.items())
        for at in positions
    ]


def opinions(judges: Judges, calibration: Calibration, questions: Sequence[Asked]) -> Opinions:
    """Return what is found best for each question, how surely, and whether embeddings and probe agree on it."""
    rows, confidence, agreed = [], [], []
    for each in questions:
        found = judges.judged(each.question, each.vector, each.hidden)
        best = int(found.rows[0]) if len(found.rows) else -1
        rows.append(best)
        confidence.append(found.confidence(calibration))
        agreed.append(best >= 0 and set(judges.tops(each.question, each.vector, each.hidden)) == {best})
    return Opinions(
        rows=np.array(rows, dtype=np.int64),
        confidence=np.array(confidence, dtype=np.float32),
        agreed=np.array(agreed, dtype=bool),
    )


def _fresh(corpus: Corpus, grouping: SplitConfig) -> list[str]:
    """Return the unlabelled questions without those that are known and those that are nearly validation questions."""
    labelled = {normalised(row.question) for row in corpus.train}
    labelled |= {normalised(text) for pair in corpus.pairs for text in (pair.question, *pair.phrasings)}
    texts = [text for text in corpus.unlabelled if normalised(text) not in labelled]
    held_out = [row.question for row in corpus.valid]
    names = question_groups(
        [*held_out, *texts],
        token_similarity=grouping.token_similarity,
        trigram_similarity=grouping.trigram_similarity,
    )
    near = set(names[: len(held_out)])
    return [text for text, name in zip(texts, names[len(held_out) :], strict=True) if name not in near]


def _asked(judges: Judges, texts: Sequence[str]) -> list[Asked]:
    if not texts:
        return []
    vectors = judges.retriever.encoder.encode(texts)
    return [Asked(question=text, vector=vector, rows=frozenset()) for text, vector in zip(texts, vectors, strict=True)]


def _column(path: Path, stream: IO[str]) -> Iterator[str]:
    reader = csv.DictReader(stream, strict=True)
    columns = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    wanted = next((name for name in COLUMNS if name in columns), None)
    if wanted is None:
        got = f"{path.name} with {', '.join(columns) or 'nothing'}"
        raise _unusable(f"a column {' or '.join(COLUMNS)}", got, "rename the column")
    for row in reader:
        yield row[wanted] or ""


def _unusable(expected: str, got: str, remedy: str) -> TrainingDataError:
    return TrainingDataError(describe(expected=expected, got=got, remedy=remedy))
