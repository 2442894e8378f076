"""`frontdesk offline compare A.toml B.toml | experiment`: a change judged from the log, and a live comparison read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import load_bot, open_database, open_models
from bot.chatbot import ChatBot
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, say, show, stages
from bot.config import Config, load_config, without_exploration
from bot.conversations import Conversation, conversations_of
from bot.experiment import ExperimentConfig
from bot.experiment_report import experiment_report, experiments_in
from bot.indexing import INDEX
from bot.offline import METHODS, OfflineConfig
from bot.offline_compare import comparison_report
from bot.offline_replay import replayed
from kb.errors import InputError, describe
from kb.log import ConversationLog
from kb.manifest import current_id

app = typer.Typer(help="Judge a change from the log, before and while customers see it.", no_args_is_help=True)

Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Turns from this time on, in UTC."),
]


@app.command("compare")
def compare_(
    a: Annotated[Path, typer.Argument(metavar="A.toml", help="A configuration.")],
    b: Annotated[Path, typer.Argument(metavar="B.toml", help="Another one.")],
    since: Since = None,
    clip: Annotated[
        float | None, typer.Option("--clip", min=1.0, help="Largest weight of a suggestion; by default none is cut.")
    ] = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what two configurations would have earned in the logged turns; nothing is served or recorded."""
    both = _without_experiment(a), _without_experiment(b)
    engine = open_database(var, config_of(var, config))
    try:
        log = ConversationLog(engine)
        turns = list(log.export(_in_utc(since)))
        bots = _bots(var, both)
        with stages() as told:
            rows = replayed(log, turns, bots, lambda done, total: told("Answering again", done, total))
        conversations = conversations_of(turns, log.handed_over())
    finally:
        engine.dispose()
    report = comparison_report(rows, conversations, bots[0], OfflineConfig(clip=clip or float("inf")))
    report = {"not_replayed": len(turns) - len(rows), **report}
    if as_json:
        show(report)
    else:
        _tell_comparison(report)


@app.command("experiment")
def experiment_(
    name: Annotated[str | None, typer.Option("--name", help="By default the configured one, or the only one.")] = None,
    since: Since = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Read a live comparison from the log: outcomes by arm, and a test that may be looked at any time."""
    settings = config_of(var, config)
    engine = open_database(var, settings)
    try:
        log = ConversationLog(engine)
        conversations = conversations_of(log.export(_in_utc(since)), log.handed_over())
    finally:
        engine.dispose()
    report = experiment_report(conversations, name or _only_name(settings, conversations))
    if as_json:
        show(report)
    else:
        _tell_experiment(report)


def _without_experiment(path: Path) -> Config:
    """Return a configuration as arm A of it answers, and what it ranks, without what it would draw."""
    return without_exploration(replace(load_config(path), experiment=ExperimentConfig()))


def _bots(var: Path, configs: tuple[Config, Config]) -> tuple[ChatBot, ChatBot]:
    """Return the bots of both configurations over the snapshot in service; one encoder where they have the same."""
    snapshot_id = current_id(var / INDEX)
    first, second = configs
    models_of = lru_cache(partial(open_models, var, first))
    others_of = models_of if second.encoder == first.encoder else partial(open_models, var, second)
    return load_bot(var, models_of, first, snapshot_id), load_bot(var, others_of, second, snapshot_id)


def _only_name(settings: Config, conversations: list[Conversation]) -> str:
    names = experiments_in(conversations)
    if settings.experiment.name or len(names) == 1:
        return settings.experiment.name or names[0]
    raise InputError(
        describe(
            expected="the name of an experiment",
            got="none configured, and in the log " + (", ".join(names) or "none"),
            remedy="give one with --name" if names else "set `name` under [experiment], and let customers chat",
        )
    )


def _in_utc(since: datetime | None) -> datetime | None:
    return None if since is None else since.replace(tzinfo=UTC)


def _tell_comparison(report: Mapping[str, Any]) -> None:
    say(
        f"{report['turns']} turns answered again ({report['not_replayed']} can't be), "
        f"{report['with_suggestions']} with suggestions, {report['explored']} of them explored"
    )
    if report["other_snapshot"]:
        say(f"{report['other_snapshot']} were logged under another snapshot; the one in service answers now")
    for what, found in report["agreement"].items():
        shares = ", ".join(f"{_named(name)} {_share(found[name])}" for name in ("a", "b", "a_and_b"))
        say(f"same {what}: {shares}")
    say("suggestions a turn: " + ", ".join(f"{_named(k)} {v:.2f}" for k, v in report["suggestions_per_turn"].items()))
    if report["click_rate"]:
        _tell_clicks(report["click_rate"])
    for what, label in (("votes", "up among votes"), ("resolution", "confirmed as resolved")):
        found = report[what]
        of_them = ", ".join(f"{_named(name)} {_share(found[name]['share'])}{_on(found[name])}" for name in ("a", "b"))
        say(f"{label}: logged {_share(found['logged'])} of {found['n']}; answered as logged: {of_them}")
    for note in report["notes"]:
        errors.print(f"[yellow]note:[/] {note}")


def _tell_clicks(found: Mapping[str, Any]) -> None:
    say(f"clicks per suggestion shown: logged {_share(found['logged'])}")
    for method in METHODS:
        parts = []
        for name in ("a", "b", "difference"):
            each = found[name][method]
            low, high = each["interval"]
            parts.append(f"{_named(name)} {each['value']:.2%} ({low:.2%} to {high:.2%})")
        say(f"  {method:5} {'  '.join(parts)}")
    effective = ", ".join(f"{_named(name)} {found[name]['overlap']['effective']:.0f}" for name in ("a", "b"))
    say(f"  effective sample size of {found['a']['overlap']['rows']}: {effective}")


def _tell_experiment(report: Mapping[str, Any]) -> None:
    say(f"{report['name']}: {report['mode']}, {report['conversations']} conversations")
    if report["mode"] == "interleave":
        say("clicks: " + ", ".join(f"{team} {count}" for team, count in report["clicks"].items()))
        say("conversations that prefer: " + ", ".join(f"{k} {v}" for k, v in report["preferring"].items()))
        say(_verdict(report["preference"], "of these"))
        return
    for name in ("a", "b"):
        say(f"{name.upper()}: " + json.dumps(report[name]).strip("{}").replace('"', ""))
    for outcome, found in report["difference"].items():
        if found is None:
            say(f"{outcome}: all conversations are in one arm")
            continue
        interval = "too little for an interval"
        if found["interval"]:
            interval = f"95 % at all times: {found['interval'][0]:+.2%} to {found['interval'][1]:+.2%}"
        say(f"{outcome}: B - A {found['value']:+.2%} ({interval}); {_verdict(found)}")


def _verdict(found: Mapping[str, Any], what: str = "conversations") -> str:
    if found["decided_at"] is None:
        return f"no difference shown yet (p {found['p_value']:.3f})"
    return f"they differ (p {found['p_value']:.2g}), shown after {found['decided_at']} {what}"


def _named(name: str) -> str:
    return {"a": "A", "b": "B", "a_and_b": "A and B", "difference": "A - B"}.get(name, name)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _on(found: Mapping[str, Any]) -> str:
    interval = f", 95 %: {found['interval'][0]:.1%} to {found['interval'][1]:.1%}" if found["interval"] else ""
    return f" of {found['n']}{interval}"
