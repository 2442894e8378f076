"""Nested settings: what differs between two of them, one laid over another, and TOML of them."""

import json
from collections.abc import Mapping
from typing import Any


def changes(document: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a nested document differs from another one with the same keys."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            inner = changes(value, base[key])
            if inner:
                found[key] = inner
        elif value != base.get(key):
            found[key] = value
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested document with what another one has in its place."""
    found = dict(base)
    for key, value in over.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


def toml(document: Mapping[str, Any], name: str = "") -> str:
    """Return nested tables of numbers, texts, flags and lists as TOML."""
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    lines = [f"[{name}]"] if name and plain else []
    lines += [f"{key} = {_value(value)}" for key, value in plain.items()]
    tables = [
        toml(value, f"{name}.{key}" if name else key) for key, value in document.items() if isinstance(value, Mapping)
    ]
    return "\n".join([*lines, *(["", *filter(None, tables)] if lines else filter(None, tables))]).rstrip() + "\n"


def _value(value: object) -> str:
    # JSON's texts, numbers, flags and lists are TOML too, but for the one control character that it leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
