"""Engines for SQLite and PostgreSQL, transactions that raise our errors, and the way to the newest schema.

SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode that several connections use. The build that comes with
`pysqlite3` is free of this and is taken where it is installed; an affected build gets a rollback journal instead.
"""

import importlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, text

from kb.errors import StorageError, describe
from kb.failures import explain

_log = structlog.get_logger(__name__)

BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for the lock of another one before it is refused."""
_CACHE_KIB = 65_536
_WRITES = "frontdesk_writes"
_FIRST_AFFECTED = (3, 7, 0)
_FIRST_FIXED = (3, 51, 3)
# Any two numbers of our own: PostgreSQL advisory locks are named by integers.
_MIGRATION_LOCK = 7_021_001


def connect(url_or_path: str | Path, *, sqlite: ModuleType | None = None) -> Engine:
    """Return an engine for a SQLite file or a PostgreSQL URL; a SQLite file and its folder are made where missing.

    Args:
        url_or_path: a path, `sqlite:///path`, or `postgresql://user:password@host/database`.
        sqlite: the DB-API module for SQLite; by default `pysqlite3` where it is installed, else the standard one.

    Raises:
        StorageError: the URL is not one of these, or the SQLite file can't be opened. PostgreSQL is first
            spoken to by the first transaction.
    """
    given = str(url_or_path)
    if isinstance(url_or_path, Path) or "://" not in given:
        return _sqlite_engine(Path(given), sqlite or _sqlite_module())
    try:
        url = make_url(given)
    except exc.ArgumentError as error:
        raise _not_a_database(given.split("://", 1)[0] + "://...") from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return _sqlite_engine(Path(url.database), sqlite or _sqlite_module())
    if backend in ("postgresql", "postgres"):
        return _postgres_engine(url)
    raise _not_a_database(url.render_as_string(hide_password=True))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state of the database throughout.

    Raises:
        StorageError: the database is locked, gone, damaged or of another schema.
    """
    with storage_errors(engine), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes, and commit it at the end, or roll back where anything is raised.

    On SQLite it takes the write lock at once: a transaction that reads first and then writes could not wait for it.

    Raises:
        StorageError: the database is locked, gone, full, read-only, damaged or of another schema; nothing is written.
    """
    with storage_errors(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def storage_errors(engine: Engine) -> Iterator[None]:
    """Turn what SQLAlchemy raises when the database can't serve into StorageError; broken constraints pass as they are.

    Raises:
        StorageError: what was expected of the database, what came, and what to do.
    """
    try:
        yield
    except (exc.IntegrityError, exc.DataError):
        raise
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise StorageError(explain(error, _name(engine))) from error


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version, in one transaction; nothing happens where it is.

    Raises:
        StorageError: the schema is newer than this program knows, or the database can't be written.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    with reading(engine) as connection:
        if _schema(connection, scripts, _name(engine)) == scripts.get_current_head():
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        # Another process may have been here in the meantime, with this program or with a newer one.
        _schema(connection, scripts, _name(engine))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this version of SQLite can corrupt a database in WAL mode that several connections use."""
    return _FIRST_AFFECTED <= version < _FIRST_FIXED


def _schema(connection: Connection, scripts: ScriptDirectory, name: str) -> str | None:
    """Return the revision of the database, None where it is empty; StorageError where it is not one of ours."""
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise StorageError(
            describe(
                expected=f"a schema up to {scripts.get_current_head()} in {name}",
                got=f"schema {revision}, which a newer version of frontdesk wrote",
                remedy="install that version, or name another database",
            )
        )
    return revision


def _sqlite_module() -> ModuleType:
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3


def _sqlite_engine(path: Path, module: ModuleType) -> Engine:
    path = path.expanduser().absolute()
    affected = has_wal_reset_bug(module.sqlite_version_info)
    journal = "delete" if affected else "wal"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _open_sqlite(module, path, journal, create=True).close()
    except OSError as error:
        raise _unopened(path, error.strerror or str(error)) from error
    except module.Error as error:
        raise StorageError(explain(error, str(path))) from error
    if affected:
        _log.warning(
            "sqlite journal is DELETE instead of WAL",
            reason="this SQLite can corrupt a WAL database that several connections use",
            sqlite=module.sqlite_version,
            fixed_in=".".join(map(str, _FIRST_FIXED)),
            remedy="install pysqlite3",
        )
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        module=module,
        creator=lambda: _open_sqlite(module, path, journal, create=False),
        pool_size=8,
        max_overflow=56,
        pool_timeout=BUSY_TIMEOUT_S,
    )
    _guard(engine, path)
    return engine


def _open_sqlite(module: ModuleType, path: Path, journal: str, *, create: bool) -> Any:
    """Return a DB-API connection; only the first one makes the file: a lost one must not be taken for an empty one."""
    mode = "rwc" if create else "rw"
    connection = module.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _set_journal(module, connection, path, journal)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_journal(module: ModuleType, connection: Any, path: Path, journal: str) -> None:
    """Switch the journal where it is another one; SQLite doesn't wait for other connections here, so we do.

    Raises:
        StorageError: others hold the database in a mode that is not safe with this build.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == journal:
                return
            found = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
        except module.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            found = "locked"
        if found == journal:
            return
        if time.monotonic() > deadline:
            raise StorageError(
                describe(
                    expected=f"journal mode {journal} for {path}",
                    got=found,
                    remedy="stop the other programs that use this database, or put it on a local disk",
                )
            )
        threading.Event().wait(0.05)


def _guard(engine: Engine, path: Path) -> None:
    """Begin transactions ourselves, and serve from the file that is at the path, not from one that was removed."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "connect")
    def remember(_: Any, record: Any) -> None:
        record.info["file"] = _file_id(path)

    @event.listens_for(engine, "checkout")
    def check(_: Any, record: Any, __: Any) -> None:
        if record.info["file"] != _file_id(path):
            raise exc.DisconnectionError(f"{path} was moved or replaced")

    @event.listens_for(engine, "commit")
    def check_again(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES) and connection.info["file"] != _file_id(path):
            raise _unopened(path, "moved or removed while it was written")


def _file_id(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgres_engine(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=BUSY_TIMEOUT_S,
        connect_args={
            "connect_timeout": int(BUSY_TIMEOUT_S),
            "options": f"-c lock_timeout={int(BUSY_TIMEOUT_S * 1000)} -c timezone=UTC",
            **dict(url.query),
        },
    )


def _name(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def _not_a_database(got: str) -> StorageError:
    return StorageError(
        describe(
            expected="the path of a SQLite file or a postgresql:// URL", got=got, remedy="mend the database setting"
        )
    )


def _unopened(path: Path, reason: str) -> StorageError:
    return StorageError(
        describe(
            expected=f"a database file at {path}", got=reason, remedy="check the folder and its permissions, try again"
        )
    )
