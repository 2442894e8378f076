"""Test questions before and after training, for one seed or several: what `evaluate --train` does.

Every seed is a training of its own from the same base model; a test question is asked once of each, through the same
`ChatBot.answer` as customers ask, and once of the bot that nothing was trained for.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.build import ENCODERS, bot_of, open_models
from bot.chatbot import ChatBot
from bot.comparison import compare_seeds, mean_over_seeds
from bot.config import Config
from bot.corpus import Corpus
from bot.evaluation import Outcome, run
from bot.fine_tuning import TUNED_VECTORS, FineTuned, FineTuning, Progress
from bot.indexing import VECTORS, assemble
from bot.labelled import Labelled
from bot.serving import Models
from kb.types import ZERO_SHOT, QAPair
from kb.vectors import VectorCache
from models.training.config import TrainingConfig
from models.training.data import LabeledPair, labeled_pairs, require_enough, split

WORK = "evaluation"


@dataclass(frozen=True, kw_only=True)
class Test:
    """A knowledge base, the questions that are trained on, and those that are asked once, to report."""

    name: str
    corpus: Corpus
    questions: Sequence[Labelled]


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One training, with the outcomes (n,) of each test."""

    seed: int
    outcomes: Sequence[Sequence[Outcome]]
    result: FineTuned
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The outcomes of each test before training, and every seed."""

    tests: Sequence[Test]
    before: Sequence[Sequence[Outcome]]
    seeds: Sequence[Seed]


def intent_corpus(pairs: Sequence[QAPair], valid: Sequence[tuple[str, str]] | None, training: TrainingConfig) -> Corpus:
    """Return the corpus of intents.

    Args:
        pairs: a label is one, its training texts are its phrasings.
        valid: (text, label) to validate on; without them a part of the phrasings is held out.
        training: says how large a part.

    Raises:
        TrainingDataError: there is too little to learn from.
    """
    labeled = labeled_pairs(pairs)
    if valid is None:
        learned, held_out = split(labeled, training.split)
    else:
        known = {pair.pair_id for pair in pairs}
        learned = labeled
        held_out = [LabeledPair(question=text, pair_id=label) for text, label in valid if label in known]
    require_enough(learned, pairs, training.needs)
    return Corpus(pairs=pairs, train=learned, valid=held_out)


def retrieval_corpus(
    pairs: Sequence[QAPair], train: Sequence[Labelled], valid: Sequence[Labelled], training: TrainingConfig
) -> Corpus:
    """Return the corpus of passages, with questions and the passages that answer them.

    Raises:
        TrainingDataError: there is too little to learn from.
    """
    learned, held_out = (
        [
            LabeledPair(question=each.question, pair_id=pair_id, origin="history")
            for each in side
            for pair_id in sorted(each.right)
        ]
        for side in (train, valid)
    )
    require_enough(learned, pairs, training.needs)
    return Corpus(pairs=pairs, train=learned, valid=held_out)


def trained_runs(
    tests: Sequence[Test],
    training: TrainingConfig,
    config: Config,
    var: Path,
    seeds: int,
    progress: Progress | None = None,
    before: Sequence[Sequence[Outcome]] | None = None,
) -> Runs:
    """Ask every test before training, then train once a seed and ask again.

    With `before`, the outcomes of an earlier run with the same base model, only what is trained is asked.

    Raises:
        TrainingError: a training can't go on.
        ModelError: a base model is missing or refused.
    """
    tell = progress or (lambda stage, done, total, note: None)
    vectors = var / VECTORS / "evaluate"
    if before is None:
        zero_shot = open_models(var, config, ZERO_SHOT)
        before = [_asked(test, zero_shot, config, vectors, _told(tell, f"Before: {test.name}")) for test in tests]
    found = []
    work = var / WORK
    work.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=work))
        try:
            began = time.perf_counter()
            result = FineTuning(
                [test.corpus for test in tests],
                training.seeded(training.seed + seed),
                config,
                folder,
                encoders=var / ENCODERS,
                vectors=vectors,
                progress=_numbered(tell, seed, seeds),
            ).run()
            seconds = time.perf_counter() - began
            outcomes = [
                _asked(test, result.models, config, folder / TUNED_VECTORS, _told(tell, f"Seed {seed}: {test.name}"))
                for test in tests
            ]
            found.append(Seed(seed=training.seed + seed, outcomes=outcomes, result=result, seconds=seconds))
        finally:
            # Models are open by then, and what they were loaded from is not needed any more.
            shutil.rmtree(folder, ignore_errors=True)
    return Runs(tests=tests, before=before, seeds=found)


def runs_report(
    runs: Runs, at: int, report: Callable[[Sequence[Labelled], Sequence[Outcome]], dict[str, Any]]
) -> dict[str, Any]:
    """Return the report of one test: figures are means over seeds, and stand beside those before training.

    Args:
        runs: see `trained_runs`.
        at: which test.
        report: questions and outcomes → figures.
    """
    questions = runs.tests[at].questions
    each = [report(questions, seed.outcomes[at]) for seed in runs.seeds]
    means = mean_over_seeds(each)
    whole: dict[str, Any] = {**each[0]}
    for name, value in each[0].items():
        if isinstance(value, float):
            whole[name] = means[name]["mean"]
    whole["latency_ms"] = {name: means[f"latency_ms.{name}"]["mean"] for name in each[0]["latency_ms"]}
    before = report(questions, runs.before[at])
    return whole | {
        "before": {name: value for name, value in before.items() if isinstance(value, float)},
        "comparison": compare_seeds(questions, [runs.before[at]], [seed.outcomes[at] for seed in runs.seeds]),
        "seeds": means,
    }


def all_together(runs: Runs) -> Runs:
    """Return the same runs with the questions of all tests as one test, for micro means."""
    test = Test(
        name="all",
        corpus=runs.tests[0].corpus,
        questions=[question for each in runs.tests for question in each.questions],
    )
    return Runs(
        tests=[test],
        before=[[outcome for each in runs.before for outcome in each]],
        seeds=[
            replace(seed, outcomes=[[outcome for each in seed.outcomes for outcome in each]]) for seed in runs.seeds
        ],
    )


def training_report(runs: Runs) -> dict[str, Any]:
    """Return how the trainings went: seconds, curves, validation before and after, and how the matcher is used."""
    curves = []
    for seed in runs.seeds:
        for name, curve in seed.result.curves.items():
            if curve.losses:
                curves.append(
                    {
                        "name": f"{name}, seed {seed.seed}",
                        "step": [step for step, _ in curve.losses],
                        "loss": [loss for _, loss in curve.losses],
                        "validation_step": [step for step, _ in curve.metrics],
                        "validation": [metric for _, metric in curve.metrics],
                        "validation_name": "P@1 on validation",
                    }
                )
    return {
        "training": curves,
        "trainings": [
            {
                "seed": seed.seed,
                "seconds": round(seed.seconds, 1),
                "validation": seed.result.metrics,
                "matcher": _settings(seed.result.models),
                "stages": {
                    name: {"steps": len(curve.losses), "seconds": round(curve.seconds, 1), "stopped": curve.stopped}
                    for name, curve in seed.result.curves.items()
                },
            }
            for seed in runs.seeds
        ],
    }


def _settings(models: Models) -> dict[str, float] | None:
    settings = models.settings
    if settings is None:
        return None
    return {"weight": settings.weight, "margin": settings.margin, "most": float(settings.most)}


def _asked(
    test: Test, models: Models, config: Config, vectors: Path, told: Callable[[int, int], None]
) -> list[Outcome]:
    cache = VectorCache(vectors, models.encoder)
    bot: ChatBot = bot_of(assemble(test.corpus.pairs, models, cache, config), config)
    return run(bot, test.questions, told)


def _told(tell: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: tell(stage, done, total, "")


def _numbered(tell: Progress, seed: int, seeds: int) -> Progress:
    return lambda stage, done, total, note: tell(f"{stage} ({seed + 1} of {seeds})", done, total, note)
