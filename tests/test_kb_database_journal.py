"""Builds of SQLite that can corrupt a WAL database get a rollback journal; the build here only pretends to be one."""

import sqlite3
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from kb.database import connect, migrate, reading, writing
from kb.errors import StorageError
from kb.log import ConversationLog


def pretending(version: tuple[int, ...]) -> ModuleType:
    """Return the module of SQLite under another version number."""
    module = ModuleType("sqlite_of_another_version")
    module.__dict__.update(sqlite3.__dict__)
    module.sqlite_version_info = version
    module.sqlite_version = ".".join(map(str, version))
    return module


AFFECTED, FIXED = pretending((3, 51, 2)), pretending((3, 51, 3))


def journal(engine):
    with reading(engine) as connection:
        return connection.exec_driver_sql("PRAGMA journal_mode").scalar()


@pytest.fixture
def opened(tmp_path):
    """Opens the database of this test with a build; closes all of them at the end."""
    engines = []

    def open_with(sqlite):
        engines.append(connect(tmp_path / "frontdesk.db", sqlite=sqlite))
        return engines[-1]

    yield open_with
    for engine in engines:
        engine.dispose()


def test_an_affected_build_gets_a_rollback_journal_and_says_why_in_the_log(opened):
    with capture_logs() as logs:
        engine = opened(AFFECTED)
    migrate(engine)
    assert journal(engine) == "delete"
    (warning,) = logs
    assert warning["log_level"] == "warning"
    assert warning["event"] == "sqlite journal is DELETE instead of WAL"
    assert (warning["sqlite"], warning["fixed_in"], warning["remedy"]) == ("3.51.2", "3.51.3", "install pysqlite3")


def test_a_fixed_build_gets_wal_without_a_word(opened):
    with capture_logs() as logs:
        assert journal(opened(FIXED)) == "wal"
    assert logs == []


def test_an_affected_build_switches_a_wal_database_before_it_writes_and_loses_nothing(opened):
    fixed = opened(FIXED)
    migrate(fixed)
    conversation_id = ConversationLog(fixed).start_conversation()
    fixed.dispose()
    affected = opened(AFFECTED)
    assert journal(affected) == "delete"
    assert ConversationLog(affected).history(conversation_id) == []


def test_an_affected_build_is_refused_while_others_hold_the_database_in_wal(opened, monkeypatch):
    monkeypatch.setattr("kb.database.BUSY_TIMEOUT_S", 0.2)
    fixed = opened(FIXED)
    migrate(fixed)
    with reading(fixed) as connection:
        connection.exec_driver_sql("SELECT * FROM turns")
        with pytest.raises(StorageError, match=r"nobody else has locked|stop the other programs"):
            opened(AFFECTED)
    assert journal(fixed) == "wal"


def test_a_fixed_build_goes_back_to_wal(opened):
    opened(AFFECTED).dispose()
    with writing(opened(FIXED)):
        pass
    assert journal(opened(FIXED)) == "wal"
