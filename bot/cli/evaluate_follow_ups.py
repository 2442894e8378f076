"""`frontdesk evaluate follow-ups`: what is suggested in whole conversations."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bot.build import load_bot, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.dialogues import read_dialogues
from bot.follow_up_runs import follow_up_report
from bot.indexing import INDEX
from kb.manifest import current_id


def follow_ups(
    test: Annotated[Path, typer.Option("--test", help="JSON lines, a dialogue with its turns in each.")],
    split: Annotated[str, typer.Option("--split", help="Only the dialogues of this split, such as tune or test.")] = "",
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Play written dialogues to the bot in service, click what it suggests, and judge its suggestions."""
    settings = config_of(var, config)
    asked = read_dialogues(test, split)
    bot = load_bot(var, partial(open_models, var, settings), settings, current_id(var / INDEX))
    with stages() as told:
        report = follow_up_report(bot, asked, partial(told, "Conversations"))
    if as_json:
        show(report)
        return
    say(
        f"{report['suggestions']} suggestions in {report['replies']} replies of {report['conversations']} conversations"
    )
    say(f"answerable                {report['answerable']:.1%} of {report['pairs']} different ones")
    say(f"repeated in conversation  {report['repeated']}")
    near = report["nearest_neighbours"]
    say(f"topics in a reply         {report['topics']:.2f} (nearest neighbours: {near['topics']:.2f})")
    say(f"different pairs in all    {report['pairs']} (nearest neighbours: {near['pairs']})")
