"""The figures of an evaluation of suggestions: every strategy beside relevance alone, on requests not seen before."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bot.suggestion_data import SPLITS, read_bank, read_requests
from bot.suggestion_runs import (
    MEASURES,
    RELEVANCE,
    Case,
    Encode,
    FloatMatrix,
    Learned,
    SuggestionConfig,
    cases_of,
    curve_of,
    learn,
    means,
    measures,
    selected,
    strategies,
)
from kb.errors import InputError, describe
from models.evaluate.bootstrap import mean_interval, paired_difference
from models.evaluate.exposure import catalogue_coverage, gini

Progress = Callable[[str, int, int], None]


def suggestion_report(
    folder: Path, split: str, encode: Encode, config: SuggestionConfig, progress: Progress
) -> dict[str, Any]:
    """Return the report of a split, with everything learned and chosen on the others of train and dev.

    Args:
        folder: as `bot.suggestion_data` reads it.
        split: train, dev or test.
        encode: texts → unit vectors (n, d).
        config: see `SuggestionConfig`.
        progress: told of the stage, what is done of it, and all of it.

    Raises:
        InputError: there is no such split, or nothing that was judged serves any of its requests.
        ImportFileError: a file is missing or not of the format.
        TrainingDataError: nothing can be learned from the requests.
    """
    if split not in SPLITS:
        raise InputError(describe(expected=f"a split out of {', '.join(SPLITS)}", got=split, remedy="name one of them"))
    sources = [each for each in ("train", "dev") if each != split]
    bank, asked = read_bank(folder), read_requests(folder, split)
    if not any(each.judged().any() for each in asked):
        raise InputError(describe(expected=f"judgements in {split}", got="none", remedy="say what questions serve"))
    known = [request for each in sources for request in read_requests(folder, each)]
    cases = cases_of([*known, *asked], bank, encode, config)
    learned = learn(cases[: len(known)], config, lambda done, total: progress("Choosing", done, total))
    figures = _figures(cases[len(known) :], learned, len(bank.ids), config)
    return {"split": split, "learned_from": sources, **figures}


def _figures(cases: Sequence[Case], learned: Learned, size: int, config: SuggestionConfig) -> dict[str, Any]:
    """Return the measures of the default selector, and of everything else under its name."""
    known, k, default = strategies(), config.selected, learned.default
    relevance = [learned.relevance.relevance(case.candidates) for case in cases]
    similarity = [np.maximum(case.candidates.vectors @ case.candidates.vector, 1e-6) for case in cases]
    chosen = {
        name: selected(cases, relevance, known[name], each.diversity, k) for name, each in learned.by_strategy.items()
    }
    values = {name: measures(cases, positions, k) for name, positions in chosen.items()}
    alone = measures(cases, selected(cases, relevance, known[RELEVANCE], 0.0, k), k)
    untrained = measures(cases, selected(cases, similarity, known[RELEVANCE], 0.0, k), k)
    shown = np.concatenate([case.places[each] for case, each in zip(cases, chosen[default.name], strict=True)])
    curve = curve_of(cases, relevance, known[default.name], config)
    return {
        "n": len(cases),
        "n_served": sum(bool(case.judged.any()) for case in cases),
        "strategy": default.name,
        "diversity": default.diversity,
        **_named(values[default.name]),
        "catalogue_coverage": catalogue_coverage(shown, size),
        "gini": gini(shown, size),
        "intervals": {name: mean_interval(each) for name, each in _columns(values[default.name]).items()},
        "relevance_only": _named(alone),
        "untrained_relevance_only": _named(untrained),
        **{name: _named(values[name]) | {"diversity": each.diversity} for name, each in learned.by_strategy.items()},
        "gain": _gain(values[default.name], alone),
        "trade_off": {
            "chosen_on": {name: _points(each, config) for name, each in learned.curves.items()},
            "measured": {default.name: _points(curve, config)},
        },
    }


def _named(values: FloatMatrix) -> dict[str, float]:
    return dict(zip(MEASURES, means(values).tolist(), strict=True))


def _columns(values: FloatMatrix) -> dict[str, FloatMatrix]:
    """Return the values of each measure, for the requests that have one."""
    return {name: values[np.isfinite(values[:, at]), at] for at, name in enumerate(MEASURES)}


def _gain(ours: FloatMatrix, alone: FloatMatrix) -> dict[str, Any]:
    """Return what the selector adds to relevance alone: the mean difference, its share, and the paired interval."""
    base, found = _columns(alone), {}
    for name, values in _columns(ours).items():
        difference, low, high = paired_difference(values, base[name])
        mean = float(base[name].mean())
        relative = difference / mean if mean else float("nan")
        found[name] = {"difference": difference, "relative": relative, "interval": (low, high)}
    return found


def _points(curve: FloatMatrix, config: SuggestionConfig) -> list[Mapping[str, float]]:
    return [
        {"diversity": diversity, **dict(zip(MEASURES, row.tolist(), strict=True))}
        for diversity, row in zip(config.diversities, curve, strict=True)
    ]
