"""Business rules from a TOML file: every table, key and value is checked.

    [[always]]                              [[never]]
    name = "recall"                         name = "not on this site"
    contains = ["gas stove recall"]         pairs = ["shops-parking"]
    answer = "recall-notice"                topics = ["trade"]

    [[prefer]]                              [[hand_over]]
    name = "online first"                   name = "complaints"
    pair = "returns-how-online"             contains = ["complaint", "legal", "lawyer"]
    over = "returns-bought-in-shop"         reason = "complaint"

    [hours]
    time_zone = "Europe/London"
    monday = ["09:00-12:30", "13:30-17:30"]

The first rule that fits counts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.config import from_mapping
from bot.hours import HoursRule
from bot.rules import Always, Never, PassOn, Prefer, RuleSet, folded
from kb.errors import ConfigError, describe

RULES_NAME = "rules.toml"

_TABLES: dict[str, type] = {"always": Always, "never": Never, "prefer": Prefer, "hand_over": PassOn}
_NEEDED = {"always": ("answer",), "never": (), "prefer": ("pair", "over"), "hand_over": ("contains", "reason")}


def load_rules(path: Path) -> RuleSet:
    """Return the rules of a TOML file.

    Raises:
        ConfigError: the file can't be read, or has an unknown key, a wrong value, or a rule that says nothing.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            describe(expected="a TOML file of rules", got=f"{path}: {error}", remedy="mend what it names")
        ) from error
    unknown = sorted(set(document) - {*_TABLES, "hours"})
    if unknown:
        raise ConfigError(
            describe(
                expected=f"tables {', '.join((*_TABLES, 'hours'))}",
                got=f"{path}: {', '.join(unknown)}",
                remedy="remove or rename",
            )
        )
    hours = document.get("hours")
    return RuleSet(
        **{kind: _rules(kind, document.get(kind, []), path) for kind in _TABLES},
        hours=None if hours is None else from_mapping(HoursRule, _table(hours, f"{path}: hours"), f"{path}: hours"),
    )


def _rules(kind: str, rows: Any, path: Path) -> tuple[Any, ...]:
    if not isinstance(rows, list):
        raise ConfigError(describe(expected=f"[[{kind}]]", got=f"{path}: {kind} = {rows!r}", remedy="write [[...]]"))
    rules = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}: {kind} {number}"
        rule: Any = from_mapping(_TABLES[kind], _table(row, where), where)
        needed = [*_NEEDED[kind]]
        if kind == "always" and not rule.contains and not rule.matches:
            needed.append("contains")
        if kind == "never" and not rule.pairs and not rule.topics:
            needed.append("pairs")
        missing = [key for key in needed if not getattr(rule, key)]
        blank = [text for text in getattr(rule, "contains", ()) if not folded(text)]
        if missing or blank:
            got = f"{where}: no {' and no '.join(missing)}" if missing else f"{where}: contains {blank[0]!r}"
            raise ConfigError(describe(expected="a rule that says what to do", got=got, remedy="complete the rule"))
        rules.append(replace(rule, name=rule.name or f"{kind} {number}"))
    return tuple(rules)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(describe(expected="a table", got=f"{where} = {value!r}", remedy="write key = value below it"))
    return value
