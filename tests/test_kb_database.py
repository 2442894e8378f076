import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, func, insert, select, text

from kb.database import connect, has_wal_reset_bug, migrate, reading, writing
from kb.errors import StorageError
from kb.tables import ConversationRow


def pragma(engine, name):
    with reading(engine) as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def add(connection, conversation_id):
    values = {"conversation_id": conversation_id, "channel": "web", "locale": "", "created_at": datetime.now(UTC)}
    connection.execute(insert(ConversationRow), values)


def add_one(engine, conversation_id="c"):
    with writing(engine) as connection:
        add(connection, conversation_id)


def stored(engine):
    with reading(engine) as connection:
        return sorted(connection.scalars(select(ConversationRow.conversation_id)))


def test_sqlite_is_opened_safe_and_durable(sqlite_engine):
    settings = {name: pragma(sqlite_engine, name) for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert pragma(sqlite_engine, "busy_timeout") == 5_000


@pytest.mark.parametrize(
    ("version", "affected"), [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 6, 9), False)]
)
def test_affected_builds_are_known(version, affected):
    assert has_wal_reset_bug(version) is affected


def test_folders_are_made_and_a_path_may_hold_any_character(tmp_path):
    path = tmp_path / "new folder" / "what? 100%#.db"
    engine = connect(path)
    migrate(engine)
    engine.dispose()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_url_and_a_path_open_the_same_file(tmp_path):
    path = tmp_path / "frontdesk.db"
    by_path, by_url = connect(str(path)), connect(f"sqlite:///{path}")
    migrate(by_path)
    with writing(by_url) as connection:
        add(connection, "c")
    assert stored(by_path) == ["c"]
    by_path.dispose()
    by_url.dispose()


@pytest.mark.parametrize("url", ["mysql://u:secret@host/db", "sqlite://", "sqlite:///:memory:", "://", "nonsense://x"])
def test_any_other_database_is_refused(url):
    with pytest.raises(
        StorageError, match=r"expected the path of a SQLite file or a postgresql:// URL; got "
    ) as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_what_is_raised_in_a_transaction_undoes_it(engine):
    def fail():
        with writing(engine) as connection:
            add(connection, "c")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stored(engine) == []


def test_a_reader_sees_one_state(engine):
    with reading(engine) as connection:
        count = select(func.count()).select_from(ConversationRow)
        assert connection.scalar(count) == 0
        with writing(engine) as other:
            add(other, "c")
        assert connection.scalar(count) == 0
    assert stored(engine) == ["c"]


def test_times_come_back_as_aware_utc(engine):
    before = datetime.now(UTC)
    with writing(engine) as connection:
        add(connection, "c")
    with reading(engine) as connection:
        created_at = connection.scalar(select(ConversationRow.created_at))
    assert created_at.tzinfo is UTC
    assert before <= created_at <= datetime.now(UTC)


def test_a_writer_waits_for_another_one(engine):
    inside = threading.Event()

    def hold():
        with writing(engine) as connection:
            lock_all(connection)
            add(connection, "first")
            inside.set()
            threading.Event().wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(5)
    with writing(engine) as connection:
        add(connection, "second")
    thread.join()
    assert stored(engine) == ["first", "second"]


def test_a_locked_database_is_a_storage_error(database_url, monkeypatch):
    monkeypatch.setattr("kb.database.BUSY_TIMEOUT_S", 0.2)
    engine = connect(database_url)
    migrate(engine)
    with writing(engine) as holder:
        lock_all(holder)
        with pytest.raises(StorageError, match="expected a database that nobody else has locked"):
            add_one(engine)
    assert stored(engine) == []
    engine.dispose()


def lock_all(connection):
    """Lock for others what they want to write; SQLite has locked everything already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE"))


@pytest.mark.postgres
def test_a_postgresql_that_went_away_is_a_storage_error_and_serves_again_when_it_is_back(postgres_url):
    engine = connect(postgres_url)
    other = connect(postgres_url)

    def lose_the_server():
        with reading(engine) as connection:
            own = connection.scalar(text("SELECT pg_backend_pid()"))
            with reading(other) as assassin:
                assassin.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
            connection.execute(text("SELECT 1"))

    with pytest.raises(StorageError, match="expected a database that takes connections"):
        lose_the_server()
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
    other.dispose()


def test_a_postgresql_that_is_not_there_is_a_storage_error_without_its_password():
    engine = connect("postgresql://someone:secret@127.0.0.1:1/frontdesk")
    with pytest.raises(StorageError, match=r"got postgresql\+psycopg://someone:\*\*\*@127.0.0.1:1") as caught:
        migrate(engine)
    assert "secret" not in str(caught.value)


def test_a_removed_file_is_a_storage_error_and_not_an_empty_database(sqlite_engine, tmp_path):
    path = tmp_path / "frontdesk.db"
    with writing(sqlite_engine) as connection:
        add(connection, "c")
    path.unlink()
    for transaction in (reading, writing):
        with pytest.raises(StorageError, match="expected a database that exists"), transaction(sqlite_engine):
            pass
    assert not path.exists()


def test_a_file_removed_while_it_is_written_acknowledges_nothing(sqlite_engine, tmp_path):
    def write():
        with writing(sqlite_engine) as connection:
            add(connection, "c")
            (tmp_path / "frontdesk.db").unlink()

    with pytest.raises(StorageError, match="moved or removed while it was written"):
        write()


def test_a_restored_file_is_served_without_a_restart(sqlite_engine, tmp_path):
    with writing(sqlite_engine) as connection:
        add(connection, "old")
    other = connect(tmp_path / "backup.db")
    migrate(other)
    with writing(other) as connection:
        add(connection, "restored")
    other.dispose()
    for rest in ("-wal", "-shm"):
        (tmp_path / f"frontdesk.db{rest}").unlink(missing_ok=True)
    (tmp_path / "backup.db").replace(tmp_path / "frontdesk.db")
    assert stored(sqlite_engine) == ["restored"]


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path):
    path = tmp_path / "frontdesk.db"
    path.write_bytes(b"this is a letter to the editor " * 100)
    with pytest.raises(StorageError, match="expected an undamaged database"):
        connect(path)


def test_a_path_that_can_hold_no_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "frontdesk.db", tmp_path):
        with pytest.raises(StorageError, match="expected a database"):
            connect(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("max_page_count=1", "expected room on the disk"), ("query_only=ON", "expected a database that can be written")],
)
def test_a_full_or_read_only_disk_is_a_storage_error(sqlite_engine, setting, message):
    sqlite_engine.dispose()
    event.listen(sqlite_engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {setting}"))
    with pytest.raises(StorageError, match=message):
        add_one(sqlite_engine, "x" * 1_000_000)
    assert stored(sqlite_engine) == []


def test_a_database_without_the_schema_is_a_storage_error(database_url):
    engine = connect(database_url)
    with pytest.raises(StorageError, match="expected the schema of this version of frontdesk"):
        stored(engine)
    engine.dispose()
