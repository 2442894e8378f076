"""`frontdesk evaluate dialogues`: conversations of several turns, with what came before and without."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import load_bot, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.dialogues import KINDS, dialogue_report, play, read_dialogues
from bot.indexing import INDEX
from kb.errors import InputError, describe
from kb.manifest import current_id


def dialogues(
    test: Annotated[Path, typer.Option("--test", help="JSON lines, a dialogue with its turns in each.")],
    split: Annotated[str, typer.Option("--split", help="Only the dialogues of this split, such as tune or test.")] = "",
    alone: Annotated[bool, typer.Option("--alone", help="Only each turn alone, as if nothing came before.")] = False,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Play written dialogues to the bot in service, and compare with each turn taken alone."""
    settings = config_of(var, config)
    asked = read_dialogues(test, split)
    bot = load_bot(var, partial(open_models, var, settings), settings, current_id(var / INDEX))
    _require_known({turn.pair_id for each in asked for turn in each.turns}, {p.pair_id for p in bot.retriever.pairs})
    with stages() as told:
        by_turn = play(bot, asked, alone=True, progress=partial(told, "Each turn alone"))
        if alone:
            report = dialogue_report(by_turn)
        else:
            report = dialogue_report(play(bot, asked, progress=partial(told, "Together")), by_turn)
    if as_json:
        show(report)
    else:
        _tell(report)


def _require_known(asked: set[str], known: set[str]) -> None:
    unknown = sorted(asked - known - {""})
    if unknown:
        raise InputError(
            describe(
                expected="pair ids of the knowledge base",
                got=", ".join(unknown[:3]),
                remedy="mend the file, or name the data folder that it is of",
            )
        )


def _tell(report: Mapping[str, Any]) -> None:
    say(f"{report['n']} dialogues")
    for kind in KINDS:
        if kind in report:
            low, high = report["intervals"][kind]
            figures = f"{report[kind]:.4f}   95 %: {low:.4f} to {high:.4f}{_alone(report, kind)}"
            say(f"{kind:14} {report[f'n_{kind}']:4}   {figures}")
    if "later_p_at_1" in report:
        say(f"{'later, P@1':14}        {report['later_p_at_1']:.4f}   had it answered them all")
        say(f"{'later, at once':14}        {report['later_at_once']:.4f}   without a click on an option")
        times = report["latency_ms"]
        say(f"{'latency':14}        {times['first']:.1f} ms first turns, {times['later']:.1f} ms later ones (medians)")


def _alone(report: Mapping[str, Any], kind: str) -> str:
    if "alone" not in report:
        return ""
    difference, low, high = report["together_minus_alone"][kind]
    return f"   alone: {report['alone'][kind]:.4f}   difference: {difference:+.4f} ({low:+.4f} to {high:+.4f})"
