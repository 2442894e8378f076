"""`frontdesk demo`: the demo shop, imported, indexed, and trained on once."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import CHECKPOINTS
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, show
from bot.cli.knowledge import import_and_index, import_document, say_import
from bot.cli.train import document, report, train_and_promote
from bot.config import Config, training_of
from kb.errors import FrontdeskError
from kb.store import DuplicatePolicy
from models.checkpoints import list_checkpoints


def demo(
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Answer with the encoder as it comes: a minute sooner, and less well.")
    ] = False,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Fill the data folder with the demo shop, index it, and train on it; again, nothing changes."""
    settings = config_of(var, config)
    folder = Path(str(files("kb") / "demo"))
    imported, indexed = import_and_index(var, settings, [folder], DuplicatePolicy.KEEP)
    if not as_json:
        say_import(imported, indexed)
    is_first = not no_train and not list_checkpoints(var / CHECKPOINTS)
    trained = _train(var, settings, as_json=as_json) if is_first else None
    if as_json:
        show(import_document(imported, indexed) | {"training": trained})


def _train(var: Path, settings: Config, *, as_json: bool) -> dict[str, Any] | None:
    """Return what was trained; a failure is told, and leaves the demo as it answers without."""
    errors.print("training on the demo shop: one to two minutes, once; Ctrl-C ends it with the best so far")
    try:
        done, is_served = train_and_promote(var, settings, training_of(settings, "quick"), promote=True)
    except FrontdeskError as error:
        errors.print(f"not trained: {error}", markup=False)
        return None
    if done is None:
        return None
    if not as_json:
        report(done, is_served=is_served, was_wanted=True)
    return document(done) | {"promoted": is_served}
