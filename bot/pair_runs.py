"""Text pairs, labelled same or not: a matcher is trained on them and measured on others (`evaluate pairs`)."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bot.fine_tuning import Progress
from bot.labelled import TextPair
from kb.errors import TrainingDataError, describe
from models.evaluate.pairs import choose_threshold, pair_report
from models.folder import open_model
from models.training.bases import load_matcher_module
from models.training.config import TrainingConfig
from models.training.loop import fit
from models.training.matcher import Group, Judge, MatchingTask
from models.training.passes import hardware

HELD_OUT = 2_000
"""Training pairs that are held out to choose the threshold on, at most; and at most a tenth of them."""


def trained_pairs(
    train: Sequence[TextPair],
    dev: Sequence[TextPair],
    training: TrainingConfig,
    work: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the measures of a matcher on pairs that it was not trained on.

    The threshold is chosen on a part of the training pairs that is held out; `before` is the same matcher untrained.

    Args:
        train: pairs to learn from.
        dev: pairs to measure on.
        training: base model, matcher and matching; the loss is binary cross-entropy, a batch has
            `matching.groups * matching.candidates` pairs.
        work: folder for the state of the training.
        progress: told of every step.

    Raises:
        TrainingDataError: the pairs are all the same, or all different, or too few.
        ModelError: the base model is missing, refused, or of the wrong kind.
    """
    if len(train) < training.needs.least_questions or len({pair.same for pair in train}) < 2:
        raise TrainingDataError(
            describe(
                expected=f"{training.needs.least_questions} pairs or more, some the same and some not",
                got=f"{len(train)}, of which {sum(pair.same for pair in train)} are the same",
                remedy="name a training file with both",
            )
        )
    order = np.random.default_rng(training.seed).permutation(len(train))
    size = min(HELD_OUT, len(train) // 10)
    held_out, learned = [train[at] for at in order[:size]], [train[at] for at in order[size:]]
    module, tokenizer, pad_id = load_matcher_module(open_model(training.matcher_base), seed=training.seed)
    matching = replace(
        training.matching, loss="bce", groups=training.matching.groups * training.matching.candidates, candidates=1
    )
    task = MatchingTask(
        module,
        tokenizer,
        [Group(question=each.text_a, candidates=[each.text_b], labels=[float(each.same)]) for each in learned],
        matching,
        pad_id=pad_id,
        seed=training.seed,
        validate=lambda judge: _accuracy(judge, held_out),
    )
    # Before the first step the task has no place to compute yet.
    before = _report(task.judge, held_out, dev)
    module.to(hardware().device)
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pairs-", dir=work))
    began = time.perf_counter()
    try:
        told = (lambda done, total, note: progress("Training matcher", done, total, note)) if progress else None
        curve = fit(task, training.matcher, folder=folder, told=told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - began
    return _report(task.judge, held_out, dev) | {
        "before": before,
        "training": {
            "base": training.matcher_base,
            "pairs": len(learned),
            "held_out": len(held_out),
            "steps": len(curve.losses),
            "pairs_seen": len(curve.losses) * matching.groups,
            "seconds": round(seconds, 1),
            "stopped": curve.stopped,
            "seed": training.seed,
            "matching": asdict(matching),
        },
    }


def _report(judge: Judge, held_out: Sequence[TextPair], dev: Sequence[TextPair]) -> dict[str, Any]:
    threshold = choose_threshold(_relevance(judge, held_out), _same(held_out))
    return pair_report(_relevance(judge, dev), _same(dev), threshold)


def _accuracy(judge: Judge, pairs: Sequence[TextPair]) -> float:
    return float(((_relevance(judge, pairs) >= 0.5) == _same(pairs)).mean())


def _relevance(judge: Judge, pairs: Sequence[TextPair]) -> np.ndarray[Any, np.dtype[np.float64]]:
    logits = judge([(each.text_a, each.text_b) for each in pairs])
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def _same(pairs: Sequence[TextPair]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array([each.same for each in pairs], dtype=bool)
