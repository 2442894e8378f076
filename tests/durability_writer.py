"""A process that records turns of one conversation until it is killed."""

import importlib
import threading
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from fakes_kb import impression, turn

from kb.database import connect
from kb.errors import StorageError
from kb.log import ConversationLog


def write(acknowledge: Connection, database: Path, sqlite: str, conversation_id: str, first: int) -> None:
    """Record turn after turn, and send the number of each that the log has taken."""
    log = ConversationLog(connect(database, sqlite=importlib.import_module(sqlite)))
    for number in count(first):
        turn_id = f"{conversation_id}-{number}"
        while not is_recorded(log, conversation_id, turn_id):
            pass
        acknowledge.send(number)
        # Without a breath between turns a newcomer starves: SQLite doesn't queue writers, they try again and again.
        threading.Event().wait(0.005)


def is_recorded(log: ConversationLog, conversation_id: str, turn_id: str) -> bool:
    """Record a turn; return whether the log took it. It may be refused where five at once wait for the database."""
    try:
        log.record(turn(conversation_id, turn_id), [impression(turn_id, rank=rank) for rank in (1, 2, 3)])
    except StorageError:
        return False
    return True
