"""What the commands share: options, output, progress, and errors as messages."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.config import Config, load_config
from kb.errors import FrontdeskError, describe

EXIT_INPUT = 2
EXIT_INTERRUPTED = 130
CONFIG_NAME = "frontdesk.toml"

Var = Annotated[
    Path,
    typer.Option("--var", envvar="FRONTDESK_VAR", help="Data folder: database, indexes, models.", show_default=True),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="FRONTDESK_CONFIG", help=f"TOML file; by default {CONFIG_NAME} in the data folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Tests = Annotated[
    list[Path], typer.Option("--test", help="CSV with text,label; `oos` is out of scope. May be repeated.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", help="Also an HTML file: plots, topics, the worst questions.", metavar="FILE"),
]
DEFAULT_VAR = Path("var")

errors = Console(stderr=True, highlight=False, soft_wrap=True)


def config_of(var: Path, path: Path | None) -> Config:
    """Return the configuration: of the file named, else of the data folder's, else the defaults.

    A database URL holds a password: it may come by FRONTDESK_DATABASE, which then counts instead of the file's; the key
    of the webhook by FRONTDESK_WEBHOOK_SECRET.
    """
    own = var / CONFIG_NAME
    config = load_config(path or (own if own.is_file() else None))
    database = os.environ.get("FRONTDESK_DATABASE", "") or config.storage.database
    secret = os.environ.get("FRONTDESK_WEBHOOK_SECRET", "") or config.hand_over.secret
    return replace(
        config,
        storage=replace(config.storage, database=database),
        hand_over=replace(config.hand_over, secret=secret),
    )


def show(document: Any) -> None:
    """Print a JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def say(text: str) -> None:
    """Print a line for people on standard output."""
    sys.stdout.write(text + "\n")


@contextlib.contextmanager
def stages() -> Iterator[Callable[..., None]]:
    """Show a progress bar for each named stage on standard error.

    What is given is to be told of (stage, done, total), and maybe a note on how it goes.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def told(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, note="")
            progress.update(tasks[stage], completed=done, total=total, note=note)

        yield told


def run(app: typer.Typer) -> None:
    """Run the commands: an error of ours is one line and exit code 2, Ctrl-C is 130."""
    _log_to_stderr()
    # Offline unless a model of the hub is named: no library asks the network on its own.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        app(prog_name="frontdesk")
    except FrontdeskError as error:
        errors.print(f"[bold red]error:[/] {_escaped(str(error))}")
        raise SystemExit(EXIT_INPUT) from None
    except KeyboardInterrupt:
        errors.print("stopped")
        raise SystemExit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has gone; what it asked for is no longer wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        message = describe(
            expected="files that can be read and written",
            got=str(error),
            remedy="check the path, who may use it, and the room on the disk",
        )
        errors.print(f"[bold red]error:[/] {_escaped(message)}")
        raise SystemExit(EXIT_INPUT) from None


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            if sys.stderr.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Standard error as it is when something is logged: whoever redirects it gets what is logged from then on.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
