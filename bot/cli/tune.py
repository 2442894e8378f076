"""`frontdesk tune`: which learning rate, steps and batches suit a knowledge base → a configuration for `train`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from bot.build import open_database
from bot.cli.common import CONFIG_NAME, DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, say, show, stages
from bot.cli.train import PresetName
from bot.config import Config, load_config, to_mapping, training_of
from bot.corpus import Corpus
from bot.labelled import pairs_of_intents, read_intents
from bot.toml_text import changes, merged, toml
from bot.trained_runs import intent_corpus
from bot.training import corpus_of
from bot.tuning import TUNING, Stage, TuneConfig, Tuned, tune
from kb.errors import ConfigError, describe
from kb.store import KnowledgeStore
from models.training.config import TrainingConfig

_BEST = "best.toml"


def tune_(
    trials: Annotated[int, typer.Option("--trials", min=1, help="In total, those of earlier calls among them.")] = 20,
    stage: Annotated[str, typer.Option("--stage", help="What is tuned: encoder or matcher.")] = "encoder",
    preset: PresetName = "quick",
    train: Annotated[
        Path | None, typer.Option("--train", help="CSV with text,label instead of the knowledge base.")
    ] = None,
    valid: Annotated[
        Path | None, typer.Option("--valid", help="CSV with text,label to compare trials on; goes with --train.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="File for the best configuration; by default in the data folder.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 0,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Search hyper-parameters by trainings; goes on where it was left, and Ctrl-C leaves the best so far."""
    settings = config_of(var, config)
    training = training_of(settings, preset).seeded(seed)
    tuning = TuneConfig(stage=_stage(stage), trials=trials, seed=seed)
    if tuning.stage == "matcher" and not training.matcher.steps:
        # Presets without a matcher still have a size to search around.
        training = replace(training, matcher=replace(training.matcher, steps=200))
    corpus = _corpus(train, valid, training, var, settings)
    target = output or var / TUNING / _BEST
    with stages() as told:
        found = tune(corpus, training, settings, tuning, var, told)
    text = _document(found, var, config)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        f"# Found by `frontdesk tune`: goes with `frontdesk train --preset {preset}`.\n{text}", encoding="utf-8"
    )
    if as_json:
        show(asdict(found) | {"file": str(target)})
    else:
        _say(found, text, target)
    if found.is_interrupted:
        raise KeyboardInterrupt


def _stage(name: str) -> Stage:
    for each in get_args(Stage):
        if each == name:
            found: Stage = each
            return found
    raise ConfigError(describe(expected=" or ".join(get_args(Stage)), got=name, remedy="name one of them"))


def _corpus(train: Path | None, valid: Path | None, training: TrainingConfig, var: Path, settings: Config) -> Corpus:
    if train is not None:
        pairs = pairs_of_intents(read_intents(train))
        return intent_corpus(pairs, read_intents(valid) if valid else None, training)
    if valid is not None:
        raise ConfigError(describe(expected="--train beside --valid", got="--valid alone", remedy="name both"))
    engine = open_database(var, settings)
    try:
        with KnowledgeStore(engine).view() as unit:
            return corpus_of(list(unit.pairs()), training)[0]
    finally:
        engine.dispose()


def _document(found: Tuned, var: Path, path: Path | None) -> str:
    """Return the configuration that was given, with what was found in it, as TOML."""
    own = var / CONFIG_NAME
    # Not what `config_of` gives: a database URL of the environment holds a password.
    given = load_config(path or (own if own.is_file() else None))
    whole: dict[str, Any] = changes(to_mapping(given), to_mapping(Config()))
    return toml(merged(whole, {"training": found.training}))


def _say(found: Tuned, text: str, target: Path) -> None:
    say(text)
    errors.print(
        f"trial {found.best_trial} is best: P@1 {found.before:.4f} → {found.p_at_1:.4f} on validation "
        f"({found.trials} trials, {found.pruned} stopped early, {found.failed} failed)",
        markup=False,
    )
    errors.print(f"train with `frontdesk train --config {target}`", markup=False)
