"""`frontdesk evaluate robustness`: questions with slips in them, and the smallest edits that flip an answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.attack import AttackConfig, attack
from bot.cli.asked import bot_in_service, bot_of_pairs
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, ReportFile, Tests, Var, config_of, errors, say, show, stages
from bot.disturbances import KINDS
from bot.labelled import labelled_of_intents, pairs_of_intents, read_intents
from bot.report import check_target, write_report
from bot.robustness import Disturbance, checked, robustness_report

_SHOWN = 5
"""Flipped answers that are told to people; JSON and the report have all."""


def robustness(
    test: Tests,
    train: Annotated[
        Path | None,
        typer.Option("--train", help="CSV with text,label; without it the knowledge base in the data folder."),
    ] = None,
    share: Annotated[float, typer.Option("--share", help="Of each question's characters that are hit.")] = 0.10,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kinds", help=f"Out of {', '.join(KINDS)}; by default all. May be repeated.", metavar="KIND"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn.")] = 0,
    attacked: Annotated[
        int,
        typer.Option("--attack", min=0, help="Also search small edits that flip so many right answers.", metavar="N"),
    ] = 0,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Ask test questions with slips of the keyboard in them; the labels are those of `evaluate intents`."""
    if report_file is not None:
        check_target(report_file)
    how = checked(Disturbance(share=share, kinds=tuple(kinds or KINDS), seed=seed))
    settings = config_of(var, config)
    rows = [row for path in test for row in read_intents(path)]
    if train is None:
        bot = bot_in_service(var, settings)
    else:
        bot = bot_of_pairs(pairs_of_intents(read_intents(train)), var, settings)
    questions = labelled_of_intents(rows, [pair.pair_id for pair in bot.retriever.pairs])
    with stages() as told:
        report = robustness_report(bot, questions, how, told)
        if attacked:
            inside = [each for each in questions if each.right]
            report["attack"] = attack(bot, inside, attacked, AttackConfig(seed=seed), told)
    if as_json:
        show(report)
    else:
        _tell(report)
    if report_file is not None:
        about = {"Training": train.name if train else "knowledge base", "Test": ", ".join(path.name for path in test)}
        write_report(report_file, {**report, "title": "Evaluation of robustness", "about": about})
        errors.print(f"report: {report_file}", markup=False)


def _tell(report: Mapping[str, Any]) -> None:
    say(f"{'n':28} {report['n']}")
    for name, (low, high) in report["intervals"].items():
        say(f"{name:28} {report[name]:.4f}   95 %: {low:.4f} to {high:.4f}")
    others = {f"only {kind}": each for kind, each in report["by_kind"].items()}
    others |= {f"share {share}": each for share, each in report["by_share"].items()}
    for name, each in others.items():
        low, high = each["interval"]
        say(f"{name:28} {each['accuracy']:.4f}   drop: {each['drop']:.4f}   95 %: {low:.4f} to {high:.4f}")
    for name in ("oos_recall", "oos_recall_disturbed"):
        if name in report:
            say(f"{name:28} {report[name]:.4f}")
    if "attack" in report:
        _tell_attack(report["attack"])


def _tell_attack(found: Mapping[str, Any]) -> None:
    for edits, flipped in found["flipped"].items():
        say(f"{f'flipped by {edits} edits at most':28} {flipped:.4f}")
    for each in found["examples"][:_SHOWN]:
        say(f"  {each['edits']}: {each['question']} → {each['disturbed']}: {each['right']} → {each['found']}")
