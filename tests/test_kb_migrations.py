from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fakes_kb import pair
from sqlalchemy import event, inspect, text

from kb.database import connect, migrate, reading, writing
from kb.errors import StorageError
from kb.store import KnowledgeStore
from kb.tables import Base


@pytest.fixture
def empty(database_url):
    engine = connect(database_url)
    yield engine
    engine.dispose()


def test_the_migrations_make_the_tables_that_the_code_expects(engine):
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_keys_sort_by_code_point_on_every_database(engine):
    store = KnowledgeStore(engine)
    ids = ["a", "B", "_", "é", "Z", "a-1", "a1"]
    store.upsert([pair(f"Question {each}?", f"Answer {each}.", pair_id=each) for each in ids])
    assert [each.pair_id for each in store.pairs()] == sorted(ids)


def test_migrating_again_changes_nothing(engine):
    KnowledgeStore(engine).upsert([pair("Where is it?", "On its way.")])
    migrate(engine)
    assert KnowledgeStore(engine).count() == 1


def test_many_at_once_migrate_one_after_the_other(empty, database_url):
    def start(_):
        engine = connect(database_url)
        migrate(engine)
        engine.dispose()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(start, range(6)))
    assert KnowledgeStore(empty).count() == 0


def test_a_migration_cut_off_in_the_middle_leaves_nothing_and_runs_again(empty):
    class CutOffError(Exception):
        pass

    def cut_off(connection, cursor, statement, *rest):
        if "CREATE TABLE votes" in statement:
            raise CutOffError

    event.listen(empty, "before_cursor_execute", cut_off)
    with pytest.raises(CutOffError):
        migrate(empty)
    event.remove(empty, "before_cursor_execute", cut_off)
    with reading(empty) as connection:
        assert inspect(connection).get_table_names() == []
    migrate(empty)
    assert KnowledgeStore(empty).version() == 0


def test_a_newer_schema_is_refused(engine):
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="got schema 9999, which a newer version of frontdesk wrote"):
        migrate(engine)
