"""`frontdesk replay TURN | --last N [--checkpoint C]`: logged turns answered again, and what came out otherwise."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bot.build import CHECKPOINTS, open_database, open_replayer
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, say, show, stages
from bot.replay import Replay
from kb.codec import reply_to_json
from kb.errors import InputError, describe
from kb.log import ConversationLog
from kb.store import KnowledgeStore
from kb.types import Reply
from models.checkpoints import find_id

EXIT_DIFFERENT, EXIT_FAILED = 1, 2
_LONGEST = 100


def replay(
    turn: Annotated[str | None, typer.Argument(metavar="TURN", help="Id of a logged turn.")] = None,
    last: Annotated[int, typer.Option("--last", min=0, help="Replay so many of the newest turns instead.")] = 0,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="ID", help="Answer with this checkpoint, and show both answers."),
    ] = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Answer logged turns again, and compare; exits with 0 if all is identical, 1 if not, 2 where it can't be told."""
    if bool(turn) == bool(last):
        raise InputError(
            describe(
                expected="the id of a turn, or --last", got="both" if turn else "neither", remedy="give one of them"
            )
        )
    replays = _replayed(turn, last, checkpoint, var, config)
    if as_json:
        show(_document(replays))
    else:
        _say(replays, checkpoint is not None)
    statuses = {each.status for each in replays}
    if "different" in statuses:
        raise typer.Exit(EXIT_DIFFERENT)
    if "failed" in statuses:
        raise typer.Exit(EXIT_FAILED)


def _replayed(turn_id: str | None, last: int, checkpoint: str | None, var: Path, config: Path | None) -> list[Replay]:
    under = find_id(var / CHECKPOINTS, checkpoint) if checkpoint else None
    settings = config_of(var, config)
    engine = open_database(var, settings)
    try:
        log = ConversationLog(engine)
        turns = [log.any_turn(turn_id)] if turn_id else log.newest(last)
        replayer = open_replayer(var, log, KnowledgeStore(engine), settings)
        found = []
        with stages() as told:
            for done, turn in enumerate(turns, start=1):
                found.append(replayer.replay(turn, under))
                told("Replaying", done, len(turns))
    finally:
        engine.dispose()
    return found


def _document(replays: Sequence[Replay]) -> dict[str, Any]:
    return {
        "turns": len(replays),
        **_counts(replays),
        "replays": [
            {
                "turn_id": each.turn.turn_id,
                "question": each.turn.question,
                "status": each.status,
                "problem": each.problem or None,
                "same_settings": each.same_settings,
                "differences": [
                    {"field": other.field, "logged": other.logged, "replayed": other.replayed}
                    for other in each.differences
                ],
                "logged": reply_to_json(each.logged),
                "replayed": reply_to_json(each.replayed) if each.replayed else None,
            }
            for each in replays
        ],
    }


def _counts(replays: Sequence[Replay]) -> dict[str, int]:
    counts = Counter(each.status for each in replays)
    return {status: counts[status] for status in ("identical", "different", "failed")}


def _say(replays: Sequence[Replay], side_by_side: bool) -> None:
    for each in replays:
        if each.status != "identical" or len(replays) == 1:
            _say_one(each, side_by_side)
    if len(replays) != 1:
        counts = ", ".join(f"{count} {status}" for status, count in _counts(replays).items())
        say(f"{len(replays)} turns replayed: {counts}")
    if any(not each.same_settings for each in replays):
        errors.print("[yellow]note:[/] the bot was configured otherwise when it answered; see frontdesk.toml")


def _say_one(replay: Replay, side_by_side: bool) -> None:
    say(f"{replay.turn.turn_id}  {replay.status}  {replay.turn.question}")
    if replay.problem:
        say(f"  {replay.problem}")
    if side_by_side and replay.replayed:
        _say_both(replay.logged, replay.replayed)
        return
    for each in replay.differences:
        say(f"  {each.field}: {_short(each.logged)} → {_short(each.replayed)}")


def _say_both(logged: Reply, replayed: Reply) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("logged", overflow="fold", ratio=1)
    table.add_column("replayed", overflow="fold", ratio=1)
    for (name, before), (_, after) in zip(_told(logged), _told(replayed), strict=True):
        table.add_row(name, before, after)
    Console(file=sys.stdout, highlight=False, markup=False).print(table)


def _told(reply: Reply) -> list[tuple[str, str]]:
    answers = [f"{each.question}\n{each.answer}" for each in reply.responses]
    return [
        ("checkpoint", reply.snapshot.checkpoint),
        ("index", reply.snapshot.index),
        ("version", reply.snapshot.knowledge_version),
        ("outcome", reply.outcome),
        ("confidence", f"{reply.confidence:.1%}, {reply.explanation.threshold:.1%} is needed"),
        ("answer", "\n\n".join(answers) or reply.message),
        ("follow-ups", "\n".join(each.question for each in reply.follow_ups)),
    ]


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
