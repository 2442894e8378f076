"""`frontdesk dial`: what a promise of right answers needs and costs, by the calibration in service."""

from dataclasses import asdict
from typing import Annotated

import typer

from bot.build import fitted_of, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show
from bot.indexing import INDEX
from bot.policy import dial_of
from kb.manifest import current_id, read_manifest
from kb.snapshot import check_snapshot
from models.dial import Dial

TARGETS = [0.90, 0.95, 0.98]


def dial(
    target: Annotated[
        list[float] | None,
        typer.Option("--target", help="Share of the answers that must be right, such as 0.95. May be repeated."),
    ] = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what it takes to answer rightly in so many of the answers: threshold, and how much is answered.

    Set `target_accuracy` under [policy] to keep a promise. It holds, with 95 % certainty, for questions like those that
    were held out when the index was built or the checkpoint was trained.
    """
    settings = config_of(var, config)
    snapshot_id = current_id(var / INDEX)
    encoder = open_models(var, settings, read_manifest(var / INDEX, snapshot_id).checkpoint).encoder
    calibration, _ = fitted_of(check_snapshot(var / INDEX, encoder, snapshot_id).calibration)
    dials = [dial_of(calibration, each) for each in target or TARGETS]
    if as_json:
        show({"target_accuracy": settings.policy.target_accuracy, "dials": [asdict(each) for each in dials]})
        return
    questions = len(calibration.sample)
    if not questions:
        say("no questions were held out when this was calibrated: add phrasings and run `frontdesk index`, or train")
        return
    say(f"{questions} questions in scope; without a promise answers are given from {calibration.threshold:.1%} on")
    for each in dials:
        say(_line(each))


def _line(each: Dial) -> str:
    if not each.supported:
        return f"{each.target:.0%} right: not supported by these questions"
    return (
        f"{each.target:.0%} right: answer from {each.threshold:.1%} on; {each.coverage:.0%} answered "
        f"(at least {each.coverage_low:.0%}), {each.accuracy:.1%} of them right (at least {each.accuracy_low:.1%})"
    )
