"""Runs `frontdesk` in this process, as the console script does, and keeps what it prints."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from web.cli import main

FAQ = """question,answer,topic
Where is my order?,Open **My orders**.,delivery
How much is delivery?,Delivery costs 4 euros.,delivery
How do I return something?,Print the label.,returns
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that standard output holds."""
        return json.loads(self.out)


def frontdesk(*arguments: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with _argv(*arguments), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        finally:
            structlog.reset_defaults()
    return Ran(code=code or 0, out=out.getvalue(), err=err.getvalue())


def configured(var: Path, model: Path, more: str = "") -> Path:
    """Make a data folder whose configuration names a model; without its own no command of a test would be quick."""
    var.mkdir(parents=True, exist_ok=True)
    (var / "frontdesk.toml").write_text(f'[encoder]\nmodel = "{model}"\nruntime = "torch"\n{more}')
    return var


@contextlib.contextmanager
def _argv(*arguments: object) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["frontdesk", *map(str, arguments)]
    try:
        yield
    finally:
        sys.argv = before
