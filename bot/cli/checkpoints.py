"""`frontdesk checkpoints list | show | promote | rollback`: what was trained, and which of it serves."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import CHECKPOINTS, open_database
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.indexing import INDEX, IndexReport
from bot.promotion import promote as promoted
from bot.promotion import rollback as rolled_back
from bot.serving import Served, served_by
from kb.errors import CheckpointError, describe
from kb.manifest import kept_manifests
from kb.store import KnowledgeStore
from kb.types import ZERO_SHOT
from models.checkpoints import CARD, Checkpoint, find_id, list_checkpoints, open_checkpoint
from models.folder import BUNDLED
from models.model_card import before_and_after

app = typer.Typer(help="What was trained, and which of it serves.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Of a checkpoint, or a beginning that only one has.")]


@app.command("list")
def list_(var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List checkpoints, the newest last, with metrics before and after training; * is in service."""
    settings = config_of(var, config)
    checkpoints, served = list_checkpoints(var / CHECKPOINTS), _served(var)
    if as_json:
        show(
            {
                "in_service": served.checkpoint,
                "lineage": served.lineage,
                "checkpoints": [_document(each, served) for each in checkpoints],
            }
        )
        return
    encoder = settings.encoder.model or BUNDLED
    say(f"{_mark(ZERO_SHOT, served)} {ZERO_SHOT}  {encoder} as it is configured, nothing trained")
    for each in checkpoints:
        say(f"{_mark(each.checkpoint_id, served)} {each.checkpoint_id}  {_summary(each)}")
    if served.lineage:
        say(f"served before, oldest first: {', '.join(served.lineage)}")


@app.command("show")
def show_(checkpoint_id: Id, var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check every file of a checkpoint, and print its model card."""
    config_of(var, config)
    found = find_id(var / CHECKPOINTS, checkpoint_id)
    if found == ZERO_SHOT:
        raise CheckpointError(
            describe(
                expected="the id of a checkpoint", got=ZERO_SHOT, remedy="see `frontdesk checkpoints list` for those"
            )
        )
    checkpoint = open_checkpoint(var / CHECKPOINTS, found)
    if as_json:
        show(_document(checkpoint, _served(var)) | {"config": checkpoint.config, "files": checkpoint.files})
    else:
        say((checkpoint.path / CARD).read_text(encoding="utf-8").rstrip())


@app.command("promote")
def promote_(checkpoint_id: Id, var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Put a checkpoint in service; a running server takes it up by itself."""
    _switch(var, config, as_json, checkpoint_id)


@app.command("rollback")
def rollback_(var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Go back to the checkpoint that served before, or to none; a running server takes it up by itself."""
    _switch(var, config, as_json, None)


def _switch(var: Path, config: Path | None, as_json: bool, checkpoint_id: str | None) -> None:
    """Promote a checkpoint, or roll back where there is no id."""
    if checkpoint_id is not None:
        checkpoint_id = find_id(var / CHECKPOINTS, checkpoint_id)
    else:
        # Like the look-up above: what is refused anyhow makes no database.
        _served(var).rolled_back()
    settings = config_of(var, config)
    engine = open_database(var, settings)
    try:
        store = KnowledgeStore(engine)
        with stages() as told:
            if checkpoint_id is None:
                report = rolled_back(var, store, settings, told)
            else:
                report = promoted(var, store, settings, checkpoint_id, told)
    finally:
        engine.dispose()
    if as_json:
        show(_report_document(report))
    else:
        _say_report(report)


def _served(var: Path) -> Served:
    return served_by(kept_manifests(var / INDEX)) or Served()


def _mark(checkpoint_id: str, served: Served) -> str:
    return "*" if checkpoint_id == served.checkpoint else " "


def _summary(checkpoint: Checkpoint) -> str:
    if checkpoint.problem:
        return f"damaged: {checkpoint.problem}"
    metrics = [
        f"{name} {_number(before)} → {_number(after)}"
        for name, (before, after) in before_and_after(checkpoint.metrics).items()
    ]
    return "  ".join([f"from {checkpoint.base_model}", *metrics])


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4f}"


def _document(checkpoint: Checkpoint, served: Served) -> dict[str, Any]:
    return {
        "checkpoint_id": checkpoint.checkpoint_id,
        "in_service": checkpoint.checkpoint_id == served.checkpoint,
        "base_model": checkpoint.base_model,
        "created_at": checkpoint.created_at,
        "code_version": checkpoint.code_version,
        "data_hash": checkpoint.data_hash,
        "has_matcher": checkpoint.matcher is not None,
        "metrics": checkpoint.metrics,
        "problem": checkpoint.problem or None,
    }


def _report_document(report: IndexReport) -> dict[str, Any]:
    return {
        "checkpoint": report.served.checkpoint,
        "before": report.before.checkpoint if report.before else None,
        "lineage": report.served.lineage,
        "snapshot_id": report.snapshot_id,
        "is_new": report.is_new,
        "encoded": report.encoded,
    }


def _say_report(report: IndexReport) -> None:
    if report.before == report.served:
        say(f"{report.served.checkpoint} was in service already")
    else:
        say(f"{report.served.checkpoint} is in service, with {report.pairs} pairs; {report.encoded} texts encoded now")
