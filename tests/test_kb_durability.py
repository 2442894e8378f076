"""Writers are killed while they write: what they acknowledged is there, once, and the database is whole."""

import importlib
import multiprocessing
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import durability_writer
import pytest
from sqlalchemy import func, select

from kb.database import connect, has_wal_reset_bug, migrate, reading
from kb.log import ConversationLog
from kb.tables import ImpressionRow, TurnRow

WRITERS = 5
# Processes that share nothing with this one, and needn't import everything anew.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["durability_writer"])


@dataclass(kw_only=True)
class Writer:
    """One process that writes to one conversation; a new one takes its place and goes on where it was killed."""

    database: Path
    sqlite: str
    conversation_id: str
    acknowledged: list[int] = field(default_factory=list)

    def start(self) -> None:
        # It begins with the turn whose acknowledgement never came: that one may be in the log, or not.
        first = self.acknowledged[-1] + 1 if self.acknowledged else 1
        self._receiver, sender = PROCESSES.Pipe(duplex=False)
        arguments = (sender, self.database, self.sqlite, self.conversation_id, first)
        self._process = PROCESSES.Process(target=durability_writer.write, args=arguments, daemon=True)
        self._process.start()
        sender.close()

    def await_acknowledgements(self, number: int) -> None:
        for _ in range(number):
            self.acknowledged.append(self._receiver.recv())

    def kill(self) -> None:
        self._process.kill()
        self._process.join(timeout=30)
        assert self._process.exitcode == -signal.SIGKILL
        while True:
            try:
                self.await_acknowledgements(1)
            except (EOFError, OSError):
                return


@pytest.mark.parametrize(
    ("module", "kills"), [("pysqlite3.dbapi2", 20), ("sqlite3", 5)], ids=["the fixed build", "the build of Python"]
)
def test_every_acknowledged_turn_survives_writers_being_killed(tmp_path, module, kills):
    sqlite = pytest.importorskip(module)
    database = tmp_path / "frontdesk.db"
    engine = connect(database, sqlite=importlib.import_module(module))
    migrate(engine)
    log = ConversationLog(engine)
    writers = [
        Writer(database=database, sqlite=module, conversation_id=log.start_conversation()) for _ in range(WRITERS)
    ]
    chance = random.Random(5)
    for writer in writers:
        writer.start()
    try:
        for number in range(kills):
            victim = writers[number % WRITERS]
            victim.await_acknowledgements(chance.randrange(1, 3))
            victim.kill()
            victim.start()
        for writer in writers:
            writer.await_acknowledgements(1)
    finally:
        for writer in writers:
            writer.kill()
    journal = "delete" if has_wal_reset_bug(sqlite.sqlite_version_info) else "wal"
    assert checks(engine) == {"journal_mode": [journal], "integrity_check": ["ok"], "foreign_key_check": []}
    for writer in writers:
        assert_whole(engine, log, writer)
    engine.dispose()


def checks(engine):
    with reading(engine) as connection:
        names = ("journal_mode", "integrity_check", "foreign_key_check")
        return {name: list(connection.exec_driver_sql(f"PRAGMA {name}").scalars()) for name in names}


def assert_whole(engine, log, writer):
    """The log has what was acknowledged, once and in order, and at most the one turn that was being written."""
    with reading(engine) as connection:
        in_conversation = TurnRow.conversation_id == writer.conversation_id
        stored = Counter(connection.scalars(select(TurnRow.turn_id).where(in_conversation)))
        shown = select(func.count()).select_from(ImpressionRow).join(TurnRow, TurnRow.turn_id == ImpressionRow.turn_id)
        impressions = connection.scalar(shown.where(in_conversation))
    assert writer.acknowledged == list(range(1, len(writer.acknowledged) + 1))
    wanted = {f"{writer.conversation_id}-{number}" for number in writer.acknowledged}
    assert wanted <= stored.keys()
    assert set(stored.values()) == {1}
    assert len(stored.keys() - wanted) <= 1
    assert impressions == 3 * len(stored)
    assert [each.ordinal for each in log.history(writer.conversation_id, 10**6)] == list(range(1, len(stored) + 1))
