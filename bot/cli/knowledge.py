"""`frontdesk import | index | export`: the knowledge base and its index."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.build import open_database, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show, stages
from bot.config import Config
from bot.indexing import IndexReport, update_index
from kb.errors import ConfigError, InputError, describe
from kb.export import export_log, export_pairs
from kb.importing import ImportProgress, ImportReport, import_paths
from kb.log import ConversationLog
from kb.store import DuplicatePolicy, KnowledgeStore
from models.calibrate import to_json

REJECTS = "rejects"

Paths = Annotated[list[Path], typer.Argument(help="Files, or folders of them.", metavar="PATH...")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", help="ROLE=COLUMN, e.g. question=Subject. May be repeated.", metavar="ROLE=COLUMN"),
]


def import_(
    paths: Paths,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    mapping: Mapping = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="A known question with another answer gets the new answer.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would happen, and write nothing.")] = False,
    no_index: Annotated[bool, typer.Option("--no-index", help="Leave the index to `frontdesk index`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import answered questions and conversations: CSV, TSV, JSONL, XLSX, Markdown. Then index them."""
    settings = config_of(var, config)
    policy = DuplicatePolicy.REPLACE if replace else DuplicatePolicy.KEEP
    report, indexed = import_and_index(
        var, settings, paths, policy, mapping=_mapping(mapping), dry_run=dry_run, index=not no_index
    )
    if as_json:
        show(import_document(report, indexed))
    else:
        say_import(report, indexed)


def index(
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Build it even where it is up to date.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the index up to date; a running server takes it up by itself."""
    settings = config_of(var, config)
    engine = open_database(var, settings)
    try:
        report = _index(KnowledgeStore(engine), var, settings, force=force)
    finally:
        engine.dispose()
    if as_json:
        show(_index_document(report))
    else:
        _say_index(report)


def export(
    path: Annotated[Path, typer.Argument(help="File to write: .csv, .jsonl or .xlsx.")],
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    what: Annotated[str, typer.Option("--what", help="pairs, or log.")] = "pairs",
    format: Annotated[str | None, typer.Option("--format", help="csv, jsonl or xlsx; else by the suffix.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the pairs or the conversation log to a file, whole or not at all."""
    if what not in ("pairs", "log"):
        raise InputError(describe(expected="--what pairs or log", got=what, remedy="name one of them"))
    engine = open_database(var, config_of(var, config))
    try:
        if what == "pairs":
            count = export_pairs(KnowledgeStore(engine), path, format)  # type: ignore[arg-type]
        else:
            count = export_log(ConversationLog(engine), path, format)  # type: ignore[arg-type]
    finally:
        engine.dispose()
    if as_json:
        show({"path": path, "what": what, "records": count})
    else:
        say(f"{count} {'pairs' if what == 'pairs' else 'turns'} written to {path}")


def import_and_index(
    var: Path,
    settings: Config,
    paths: Sequence[Path],
    policy: DuplicatePolicy,
    *,
    mapping: dict[str, str] | None = None,
    dry_run: bool = False,
    index: bool = True,
) -> tuple[ImportReport, IndexReport | None]:
    """Return what an import did, and the index that was made of it."""
    engine = open_database(var, settings)
    try:
        store = KnowledgeStore(engine)
        with stages() as told:
            report = import_paths(
                store,
                paths,
                mapping=mapping,
                policy=policy,
                dry_run=dry_run,
                rejects_folder=var / REJECTS,
                progress=lambda at: told("Reading", *_bytes(at)),
            )
        return report, _index(store, var, settings) if index and not dry_run else None
    finally:
        engine.dispose()


def _index(store: KnowledgeStore, var: Path, settings: Config, *, force: bool = False) -> IndexReport:
    with stages() as told:
        return update_index(store, partial(open_models, var, settings), var, settings, force=force, progress=told)


def _bytes(at: ImportProgress) -> tuple[int, int]:
    return at.bytes_done, at.bytes_total


def _mapping(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    roles: dict[str, str] = {}
    for each in given:
        role, equals, column = each.partition("=")
        if not equals or not role.strip() or not column.strip():
            raise ConfigError(describe(expected="--map ROLE=COLUMN", got=each, remedy="e.g. --map question=Subject"))
        roles[role.strip()] = column.strip()
    return roles


_OUTCOMES = ("rows_read", "added", "updated", "merged", "unchanged", "conflicting", "rejected")


def import_document(report: ImportReport, indexed: IndexReport | None) -> dict[str, Any]:
    """Return what an import did as a JSON object."""
    document: dict[str, Any] = {name: getattr(report, name) for name in _OUTCOMES}
    document |= {
        "turns_read": report.turns_read,
        "history_conversations": report.history_conversations,
        "transitions": report.transitions,
        "dry_run": report.dry_run,
    }
    document["files"] = [
        {name: getattr(file, name) for name in ("path", "kind", *_OUTCOMES, "turns_read", "rejects_file")}
        | {"columns": dict(file.columns)}
        for file in report.files
    ]
    return document | {"index": _index_document(indexed) if indexed else None}


def _index_document(report: IndexReport) -> dict[str, Any]:
    return {
        "snapshot_id": report.snapshot_id,
        "is_new": report.is_new,
        "checkpoint": report.served.checkpoint,
        "pairs": report.pairs,
        "entries": report.entries,
        "encoded": report.encoded,
        "knowledge_version": report.knowledge_version,
        "calibration": to_json(report.calibration) if report.calibration else None,
    }


def say_import(report: ImportReport, indexed: IndexReport | None) -> None:
    """Print what an import did."""
    for file in report.files:
        outcomes = ", ".join(f"{getattr(file, name)} {name}" for name in _OUTCOMES[1:] if getattr(file, name))
        turns = f" (from {file.turns_read} turns)" if file.turns_read else ""
        say(f"{file.path.name}: {file.rows_read} rows{turns}: {outcomes or 'nothing'}")
        if file.rejects_file:
            say(f"  what was left out, and why: {file.rejects_file}")
    if report.history_conversations:
        say(f"{report.history_conversations} conversations, {report.transitions} times one question after another")
    if report.dry_run:
        say("dry run: nothing was written")
    if indexed:
        _say_index(indexed)


def _say_index(report: IndexReport) -> None:
    state = "is new" if report.is_new else "was up to date"
    counts = f"{report.pairs} pairs, {report.entries} texts, {report.encoded} encoded now"
    say(f"index {report.snapshot_id} {state}: {counts}")
    fitted = report.calibration
    if fitted and fitted.validation:
        checked = fitted.validation
        say(
            f"answers from {fitted.threshold:.0%} on: {checked['coverage']:.0%} of the phrasings it had not seen, "
            f"and refuses {checked['far_refused']:.0%} of off-topic questions"
        )
    elif fitted:
        say(f"answers from {fitted.threshold:.0%} on (default: too few phrasings to choose a threshold of its own)")
