"""Search of hyper-parameters with optuna: trainings of one stage, judged by P@1 on validation questions.

Every trial trains and is then measured through the path of production. Trials that are worse than the median at a
validation on the way are stopped there. What was tried is kept in SQLite, so that a search goes on where it was left;
what a trial takes depends on the seed, its number and the trials before it alone.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bot.build import ENCODERS
from bot.config import Config
from bot.corpus import Corpus
from bot.fine_tuning import FineTuned, FineTuning, Progress
from bot.indexing import VECTORS
from kb.errors import StorageError, TrainingDataError, TrainingError, describe
from models.checkpoints import ENCODER, MATCHER
from models.training.config import DistilConfig, OptimiserConfig, TrainingConfig
from models.training.data import data_manifest
from models.training.writers import Writers

Stage = Literal["encoder", "matcher"]

TUNING = "tuning"
_DATABASE = "trials.db"
_REASON = "reason"
_DIGITS = 12
_FEWEST_TRIALS = 4
"""Trials before any is stopped early."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """How long and what is searched."""

    stage: Stage = "encoder"
    trials: int = 20
    """In total, those of earlier calls among them."""
    validations: int = 4
    """Of a trial, at each of which it may be stopped."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """What was found: P@1 on validation of the best trial, and what of the training it changes."""

    study: str
    trials: int
    pruned: int
    failed: int
    best_trial: int
    p_at_1: float
    before: float
    """P@1 of the base models."""
    training: Mapping[str, Any]
    """By the fields of `TrainingConfig`, as `[training]` of a configuration takes it."""
    is_interrupted: bool


def tune(
    corpus: Corpus, training: TrainingConfig, config: Config, tuning: TuneConfig, var: Path, progress: Progress
) -> Tuned:
    """Search until there are so many trials, or Ctrl-C.

    Args:
        corpus: what is trained on, with validation questions.
        training: what trials begin from.
        config: how the knowledge base is retrieved from.
        tuning: see `TuneConfig`.
        var: data folder; the search is kept in its folder `tuning`.
        progress: told of trials and of their stages.

    Raises:
        TrainingDataError: there are no validation questions.
        TrainingError: no trial came to an end.
        StorageError: the earlier trials can't be read.
    """
    _require_validation(corpus)
    study = _open_study(corpus, training, config, tuning, var / TUNING)
    return _Search(study, corpus, training, config, tuning, var, progress).run()


def space(trial: Any, stage: Stage, training: TrainingConfig) -> TrainingConfig:
    """Return a training with what a trial suggests: learning rate, steps, and what its stage's batches are made of."""
    if stage == "encoder":
        contrastive = replace(
            training.contrastive,
            temperature=trial.suggest_float("temperature", 0.02, 0.2, log=True),
            near_share=trial.suggest_float("near_share", 0.0, 0.75, step=0.25),
            augment=trial.suggest_float("augment", 0.0, 0.5, step=0.125),
            anchors=_scaled(trial, "anchors", training.contrastive.anchors),
        )
        return replace(training, encoder=_optimiser(trial, training.encoder), contrastive=contrastive)
    matching = replace(
        training.matching,
        loss=trial.suggest_categorical("loss", ["listwise", "bce", "margin"]),
        smoothing=trial.suggest_float("smoothing", 0.0, 0.2, step=0.05),
        groups=_scaled(trial, "groups", training.matching.groups),
        candidates=trial.suggest_int("candidates", 4, 12, step=4),
    )
    return replace(training, matcher=_optimiser(trial, training.matcher), matching=matching)


class _Search:
    """One call of `tune`."""

    def __init__(
        self, study: Any, corpus: Corpus, training: TrainingConfig, config: Config, tuning: TuneConfig, var: Path,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.study, self.corpus, self.training, self.tuning, self.var = study, corpus, training, tuning, var
        self.progress = progress
        # Graphs are for serving: a trial's models are used once, in torch.
        self.config = replace(config, encoder=replace(config.encoder, runtime="torch"))
        self.folder = var / TUNING / study.study_name

    def run(self) -> Tuned:
        is_interrupted = False
        try:
            self._prepare()
            while (done := len(self._ended())) < self.tuning.trials:
                self._tell(done)
                self.study.sampler = _sampler(self.tuning.seed, done)
                self.study.optimize(self._objective, n_trials=1)
            self._tell(done)
        except KeyboardInterrupt:
            is_interrupted = True
            if not self._complete():
                raise
        return self._found(is_interrupted=is_interrupted)

    def _prepare(self) -> None:
        """Close what a killed search left open, and train the encoder that trials of the matcher stand on."""
        from optuna.trial import TrialState

        for each in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(each.number, state=TrialState.FAIL)
        if self.tuning.stage == "matcher":
            folder = self.folder / ENCODER
            tuned = self._trained(_encoder_alone(self.training), folder)
            self.training = replace(
                self.training,
                distil=DistilConfig(),
                encoder_base=str(tuned.encoder.resolve()),
                encoder=replace(self.training.encoder, steps=0),
                warm_up=replace(self.training.warm_up, optimiser=replace(self.training.warm_up.optimiser, steps=0)),
            )

    def _objective(self, trial: Any) -> float:
        from optuna.exceptions import TrialPruned

        training = self._validated(space(trial, self.tuning.stage, self.training))
        folder = self.folder / f"trial-{trial.number}"
        try:
            done = self._trained(training, folder, Writers([_Reporter(trial, self.tuning.stage)]))
        except TrainingError as error:
            # Of this trial alone, such as a learning rate under which the loss is not finite.
            trial.set_user_attr(_REASON, str(error))
            raise TrialPruned from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        trial.set_user_attr("before", done.metrics["before"]["p_at_1"])
        return done.metrics["after"]["p_at_1"]

    def _trained(self, training: TrainingConfig, folder: Path, writers: Writers | None = None) -> FineTuned:
        done = FineTuning(
            [self.corpus], training, self.config, folder,
            encoders=self.var / ENCODERS, progress=self.progress, vectors=self.var / VECTORS, writers=writers,
        ).run()  # fmt: skip
        if any(curve.stopped == "interrupted" for curve in done.curves.values()):
            # What was trained of it is no trial. An encoder for trials of the matcher has to be trained to its end too.
            shutil.rmtree(folder, ignore_errors=True)
            raise KeyboardInterrupt
        return done

    def _validated(self, training: TrainingConfig) -> TrainingConfig:
        """Return a training of one stage that is validated on the way, and keeps what it ends with."""
        own = training.encoder if self.tuning.stage == "encoder" else training.matcher
        every = max(1, own.steps // self.tuning.validations)
        fitted = replace(own, validate_every=every, keep="last", patience=0)
        if self.tuning.stage == "encoder":
            return _encoder_alone(replace(training, encoder=fitted))
        return replace(training, matcher=fitted)

    def _ended(self) -> list[Any]:
        """Return the trials that count: those that came to an end, or were stopped for what they showed."""
        from optuna.trial import TrialState

        found: list[Any] = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return found

    def _complete(self) -> list[Any]:
        return [each for each in self._ended() if each.state.name == "COMPLETE"]

    def _tell(self, done: int) -> None:
        best = f"best P@1 {self.study.best_value:.3f}" if self._complete() else ""
        self.progress("Trials", done, self.tuning.trials, best)

    def _found(self, *, is_interrupted: bool) -> Tuned:
        ended, complete = self._ended(), self._complete()
        if not complete:
            reasons = [each.user_attrs[_REASON] for each in ended if _REASON in each.user_attrs]
            raise TrainingError(
                describe(
                    expected="a trial that comes to its end",
                    got=reasons[-1] if reasons else "none",
                    remedy="try more of them, or another preset",
                )
            )
        best = self.study.best_trial
        return Tuned(
            study=self.study.study_name,
            trials=len(ended),
            pruned=sum(each.state.name == "PRUNED" and _REASON not in each.user_attrs for each in ended),
            failed=sum(_REASON in each.user_attrs for each in ended),
            best_trial=best.number,
            p_at_1=float(best.value),
            before=float(best.user_attrs["before"]),
            training=_sections(best.params, self.tuning.stage),
            is_interrupted=is_interrupted,
        )  # fmt: skip


class _Reporter:
    """A writer that tells optuna of every validation of one stage, and ends a trial that is not worth going on with."""

    def __init__(self, trial: Any, stage: Stage) -> None:
        self._trial, self._name = trial, f"{ENCODER if stage == 'encoder' else MATCHER}/validation"

    def scalar(self, name: str, value: float, step: int) -> None:
        """Report a validation metric.

        Raises:
            TrialPruned: the trial is worse than the median of those before it.
        """
        from optuna.exceptions import TrialPruned

        if name == self._name:
            self._trial.report(value, step)
            if self._trial.should_prune():
                raise TrialPruned

    def close(self) -> None:
        """Nothing is held back."""


def _sections(params: Mapping[str, Any], stage: Stage) -> dict[str, dict[str, Any]]:
    """Return what a trial suggested by the fields of `TrainingConfig`; steps are counted, and not planned by time."""
    optimiser = {name: params[name] for name in ("learning_rate", "steps")}
    section = "contrastive" if stage == "encoder" else "matching"
    others = {name: value for name, value in params.items() if name not in optimiser}
    return {stage: {**optimiser, "seconds": 0.0, "epochs": 0.0}, section: others}


def _encoder_alone(training: TrainingConfig) -> TrainingConfig:
    matcher = replace(training.matcher, steps=0)
    return replace(training, matcher=matcher, distil=DistilConfig(), teacher="")


def _open_study(corpus: Corpus, training: TrainingConfig, config: Config, tuning: TuneConfig, folder: Path) -> Any:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = data_manifest(corpus.train, corpus.valid, corpus.pairs, training.split)
    about = json.dumps(
        [manifest, asdict(training), asdict(config.retrieval), asdict(config.probe), config.encoder.model,
         tuning.stage, tuning.seed, tuning.validations],
        sort_keys=True,
    )  # fmt: skip
    name = f"{tuning.stage}-{hashlib.sha256(about.encode()).hexdigest()[:_DIGITS]}"
    file = folder / _DATABASE
    try:
        return optuna.create_study(
            storage=f"sqlite:///{file}",
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FEWEST_TRIALS),
        )
    except (SQLAlchemyError, RuntimeError, OSError) as error:
        raise StorageError(
            describe(
                expected=f"the trials of earlier searches in {file}",
                got=str(error).splitlines()[0],
                remedy="move the file away to begin anew",
            )
        ) from error


def _sampler(seed: int, number: int) -> Any:
    import optuna

    # By number, so that a search that goes on suggests what one without a break would have.
    mixed = int(np.random.default_rng([seed, number]).integers(2**31))
    return optuna.samplers.TPESampler(seed=mixed, n_startup_trials=_FEWEST_TRIALS)


def _optimiser(trial: Any, config: OptimiserConfig) -> OptimiserConfig:
    steps = max(2, config.steps)
    return replace(
        config,
        learning_rate=trial.suggest_float("learning_rate", 1e-5, 2e-4, log=True),
        steps=trial.suggest_int("steps", steps // 2, 2 * steps, step=max(1, steps // 10)),
        # A trial is the same on every machine.
        seconds=0.0,
        epochs=0.0,
    )


def _scaled(trial: Any, name: str, usual: int) -> int:
    return int(trial.suggest_categorical(name, [max(2, usual // 2), max(3, usual), max(4, 2 * usual)]))


def _require_validation(corpus: Corpus) -> None:
    if not corpus.valid:
        raise TrainingDataError(
            describe(
                expected="validation questions to compare trials on",
                got="none",
                remedy="import more phrasings, or name a file with --valid",
            )
        )
