import json

import pytest
from typer.testing import CliRunner

from bot.cli.app import app
from kb.database import connect, writing
from kb.errors import InputError, NotFoundError, StorageError
from kb.tables import AuditRow

PASSWORD = "correct horse battery\n"


@pytest.fixture
def frontdesk(tmp_path):
    def run(*arguments, typed=None):
        done = CliRunner().invoke(app, [*arguments, "--var", str(tmp_path)], input=typed)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def test_operators_are_added_listed_changed_and_removed(frontdesk):
    assert (
        json.loads(frontdesk("operators", "add", "Ada", "--role", "editor", "--json", typed=PASSWORD))["role"]
        == "editor"
    )
    frontdesk("operators", "change", "ada", "--role", "admin")
    assert [(each["operator_id"], each["role"]) for each in json.loads(frontdesk("operators", "list", "--json"))] == [
        ("ada", "admin")
    ]
    assert "ada" in frontdesk("operators", "list")
    frontdesk("operators", "remove", "ada")
    assert json.loads(frontdesk("operators", "list", "--json")) == []


def test_what_can_not_be_done_is_told(frontdesk):
    with pytest.raises(InputError, match="password of"):
        frontdesk("operators", "add", "ada", typed="short\n")
    with pytest.raises(InputError, match="neither"):
        frontdesk("operators", "change", "ada")
    with pytest.raises(NotFoundError):
        frontdesk("operators", "remove", "ada")


def test_the_audit_shows_what_was_done_and_says_whether_it_is_whole(frontdesk, tmp_path):
    frontdesk("operators", "add", "ada", typed=PASSWORD)
    assert "operator added" in frontdesk("audit")
    assert "1 entries, all as they were written" in frontdesk("audit", "--verify")
    assert json.loads(frontdesk("audit", "--verify", "--json"))["verified"]["broken_at"] is None
    engine = connect(tmp_path / "frontdesk.db")
    with writing(engine) as connection:
        connection.execute(AuditRow.__table__.update().values(subject="eve"))
    engine.dispose()
    with pytest.raises(StorageError, match="entry 1 changed"):
        frontdesk("audit", "--verify")
