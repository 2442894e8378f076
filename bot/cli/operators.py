"""`frontdesk operators add | list | change | remove`, and `frontdesk audit`: what they did."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, cast

import typer
from sqlalchemy import Engine

from bot.build import open_database
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show
from kb.audit import check, entries
from kb.errors import InputError, StorageError, describe
from kb.operators import Operators, Role
from kb.passwords import SHORTEST

app = typer.Typer(help="Who may use the operators' console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the operator logs in with.")]


@app.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option("--role", help="viewer, editor or admin.")] = "viewer",
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Add an operator; the password is asked for, or read from standard input."""
    with _database(var, config) as engine:
        added = Operators(engine).add(name, cast(Role, role), _password())
    show(asdict(added)) if as_json else say(f"{added.operator_id} may log in as {added.role}.")


@app.command("list")
def list_(var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the operators and their roles."""
    with _database(var, config) as engine:
        found = Operators(engine).all()
    if as_json:
        show([asdict(each) for each in found])
        return
    for each in found:
        say(f"{each.operator_id:<24}{each.role:<8}since {each.created_at:%Y-%m-%d}")


@app.command("change")
def change(
    name: Name,
    role: Annotated[str | None, typer.Option("--role", help="viewer, editor or admin.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Also ask for a new password.")] = False,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give an operator another role or password; a new password ends all their sessions."""
    if role is None and not password:
        raise InputError(describe(expected="--role or --password", got="neither", remedy="say what is to change"))
    with _database(var, config) as engine:
        given = _password() if password else None
        Operators(engine).change(name, role=cast(Role | None, role), password=given)
    show({"operator_id": name.lower(), "role": role, "password": password}) if as_json else say("Done.")


@app.command("remove")
def remove(name: Name, var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Let an operator in no more; what they did stays theirs."""
    with _database(var, config) as engine:
        Operators(engine).remove(name)
    show({"removed": name.lower()}) if as_json else say("Done.")


def audit(
    verify: Annotated[bool, typer.Option("--verify", help="Read all of it, and say whether it is whole.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest entries.")] = 20,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what operators did, the newest first."""
    with _database(var, config) as engine:
        checked = check(engine) if verify else None
        found = entries(engine, limit=limit)
    if as_json:
        show({"entries": [asdict(each) for each in found]} | ({"verified": asdict(checked)} if checked else {}))
    else:
        for each in found:
            details = " ".join(f"{name}={value}" for name, value in each.details.items())
            say(f"{each.at:%Y-%m-%d %H:%M:%S}  {each.operator_id or '-':<16}{each.action:<20}{each.subject}  {details}")
    if checked is not None and checked.broken_at is not None:
        raise StorageError(
            describe(
                expected="an audit in which every entry follows the one before it",
                got=f"entry {checked.broken_at} changed, or one before it removed",
                remedy="compare with a backup, and find out who can write to the database",
            )
        )
    if checked is not None and not as_json:
        say(f"{checked.entries} entries, all as they were written; newest digest {checked.head}")


@contextmanager
def _database(var: Var, config: ConfigFile) -> Iterator[Engine]:
    engine = open_database(var, config_of(var, config))
    try:
        yield engine
    finally:
        engine.dispose()


def _password() -> str:
    """Return a password: asked for twice at a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"Password ({SHORTEST} characters or more): ")
    if first != getpass.getpass("Again: "):
        raise InputError(describe(expected="the same password twice", got="two that differ", remedy="try again"))
    return first
