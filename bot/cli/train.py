"""`frontdesk train`: the knowledge base → a checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import open_database
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, say, show, stages
from bot.config import Config, training_of
from bot.promotion import promote as promoted
from bot.self_training import read_unlabelled
from bot.training import Trained
from bot.training import train as trained
from kb.store import KnowledgeStore
from models.training.config import TrainingConfig
from models.training.labeled_files import read_labeled

PresetName = Annotated[
    str, typer.Option("--preset", help="quick: minutes on two cores; balanced: more of them; best: for a GPU.")
]


def train(
    labeled: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Further labelled questions, CSV or JSONL: question,pair_id,label."),
    ] = None,
    preset: PresetName = "quick",
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 0,
    promote: Annotated[
        bool, typer.Option("--promote", help="Put the checkpoint in service, if it is not worse on what was held out.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, even where a killed training could be gone on with.")
    ] = False,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            help="Questions without labels, a text file or a CSV with a column question or text: self-training.",
        ),
    ] = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune encoder and matcher on the knowledge base; Ctrl-C leaves the best so far. Nothing is served yet."""
    settings = config_of(var, config)
    training = training_of(settings, preset).seeded(seed)
    verdicts = [row for path in labeled or () for row in read_labeled(path)]
    questions = read_unlabelled(unlabelled) if unlabelled else []
    done, is_served = train_and_promote(
        var, settings, training, promote=promote, verdicts=verdicts, unlabelled=questions, fresh=fresh
    )
    if done is None:
        return
    if as_json:
        show(document(done) | {"promoted": is_served})
    else:
        report(done, is_served=is_served, was_wanted=promote)


def train_and_promote(
    var: Path, settings: Config, training: TrainingConfig, *, promote: bool, **data: Any
) -> tuple[Trained | None, bool]:
    """Return what was trained, and whether it was put in service; see `bot.training.train` for `data`.

    What is worse than what it began with on what was held out is not put in service.
    """
    # torch is imported here, and not by commands that don't train.
    from models.training.processes import joined

    engine = open_database(var, settings)
    try:
        store = KnowledgeStore(engine)
        with joined() as share, stages() as told:
            done = trained(store, var, settings, training, share=share, progress=told, **data)
        is_served = done is not None and promote and _is_fit(done)
        if done is not None and is_served:
            with stages() as told:
                promoted(var, store, settings, done.checkpoint.checkpoint_id, told)
    finally:
        engine.dispose()
    return done, is_served


def _is_fit(done: Trained) -> bool:
    """Whether a checkpoint is no worse on what was held out; without anything held out nothing speaks for it."""
    before, after = done.result.metrics["before"], done.result.metrics["after"]
    return bool(after) and after["p_at_1"] >= before["p_at_1"] and after["auroc"] >= before["auroc"] - 0.01


def document(done: Trained) -> dict[str, Any]:
    """Return what was trained as a JSON object."""
    return {
        "checkpoint_id": done.checkpoint.checkpoint_id,
        "metrics": done.result.metrics,
        "data": done.manifest,
        "stages": {
            name: {
                "steps": len(curve.losses),
                "stopped": curve.stopped,
                "seconds": round(curve.seconds, 1),
                "best_step": curve.best_step,
                "best_metric": curve.best_metric,
                "first_loss": curve.losses[0][1] if curve.losses else None,
                "last_loss": curve.losses[-1][1] if curve.losses else None,
            }
            for name, curve in done.result.curves.items()
        },
    }


def report(done: Trained, *, is_served: bool, was_wanted: bool) -> None:
    """Print what was trained, and what became of it."""
    before, after = done.result.metrics["before"], done.result.metrics["after"]
    say(f"checkpoint {done.checkpoint.checkpoint_id}")
    for name, value in after.items():
        if name != "questions":
            say(f"  {name:18} {before.get(name, float('nan')):.4f} → {value:.4f}")
    learnt = done.result.metrics.get("self_training")
    if learnt:
        say(f"  learnt from {learnt['taken']:.0f} of {learnt['questions']:.0f} unlabelled questions")
    if after:
        say(f"  on {after['questions']:.0f} questions that were held out")
    else:
        errors.print("nothing was held out: too few phrasings to measure on")
    if is_served:
        say("in service from now on; `frontdesk checkpoints rollback` takes it back")
    elif was_wanted:
        say("not put in service: it is worse than what serves on what was held out")
    else:
        say(f"put it in service with `frontdesk checkpoints promote {done.checkpoint.checkpoint_id}`")
