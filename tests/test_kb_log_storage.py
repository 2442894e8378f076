"""What the log does while its database is locked, gone or full, and after."""

import pytest
from fakes_kb import impression, turn
from sqlalchemy import func, select, text

from kb.database import connect, migrate, reading, writing
from kb.errors import StorageError
from kb.log import ConversationLog
from kb.tables import ImpressionRow, TurnRow, VoteRow


def rows(engine, table):
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table))


@pytest.fixture
def hasty(database_url, monkeypatch):
    """An engine that doesn't wait long for locks."""
    monkeypatch.setattr("kb.database.BUSY_TIMEOUT_S", 0.2)
    engine = connect(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_locked_database_refuses_turns_and_votes_and_takes_them_when_it_is_free(hasty):
    log = ConversationLog(hasty)
    conversation_id = log.start_conversation()
    log.record(turn(conversation_id, "a"), [])
    tries = [
        lambda: log.record(turn(conversation_id, "b"), [impression("b")]),
        lambda: log.vote(conversation_id, "a", 1),
        log.start_conversation,
    ]
    with writing(hasty) as holder:
        if holder.dialect.name == "postgresql":
            holder.execute(text("LOCK TABLE conversations, turns, votes IN ACCESS EXCLUSIVE MODE"))
        for each in tries:
            with pytest.raises(StorageError, match="try again in a moment"):
                each()
    assert (rows(hasty, TurnRow), rows(hasty, VoteRow)) == (1, 0)
    for each in tries:
        each()
    assert [(found.turn_id, found.vote) for found in log.history(conversation_id)] == [("a", 1), ("b", 0)]


def test_a_database_that_is_gone_refuses_everything_and_serves_again_when_it_is_back(sqlite_engine, tmp_path):
    log = ConversationLog(sqlite_engine)
    conversation_id = log.start_conversation()
    sqlite_engine.dispose()
    path, away = tmp_path / "frontdesk.db", tmp_path / "away.db"
    path.rename(away)
    for each in (
        lambda: log.record(turn(conversation_id, "a"), []),
        lambda: log.history(conversation_id),
        lambda: log.claim("k", "chat", "body"),
        lambda: list(log.export()),
    ):
        with pytest.raises(StorageError, match=r"expected a database that exists; got .*; restore it"):
            each()
    assert not path.exists()
    away.rename(path)
    log.record(turn(conversation_id, "a"), [])
    assert [each.turn_id for each in log.history(conversation_id)] == ["a"]


def test_a_full_disk_takes_no_half_of_a_turn_and_the_turn_when_there_is_room(sqlite_engine):
    log = ConversationLog(sqlite_engine)
    conversation_id = log.start_conversation()
    given = turn(conversation_id, "a", "x" * 1_000_000)

    def limit_pages(number):
        with reading(sqlite_engine) as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={number}")

    limit_pages(1)
    with pytest.raises(StorageError, match=r"expected room on the disk .*; free some room and try again"):
        log.record(given, [impression("a")])
    assert (rows(sqlite_engine, TurnRow), rows(sqlite_engine, ImpressionRow)) == (0, 0)
    limit_pages(1_000_000)
    log.record(given, [impression("a")])
    assert (rows(sqlite_engine, TurnRow), rows(sqlite_engine, ImpressionRow)) == (1, 1)


def test_an_error_names_the_database_without_its_password():
    log = ConversationLog(connect("postgresql://frontdesk:secret@127.0.0.1:1/frontdesk"))
    with pytest.raises(StorageError, match=r"frontdesk:\*\*\*@127\.0\.0\.1:1.*; start or mend the database") as caught:
        log.start_conversation()
    assert "secret" not in str(caught.value)
