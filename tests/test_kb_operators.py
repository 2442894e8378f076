from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kb.audit import check, entries
from kb.errors import ConflictError, InputError, NotFoundError
from kb.operators import LoginConfig, Operators
from kb.tables import OperatorSessionRow

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


def later(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def operators(engine):
    found = Operators(engine, LoginConfig(idle_s=60, longest_s=600, failures=3, locked_s=100))
    found.add("Ada", "editor", PASSWORD)
    return found


def test_an_operator_logs_in_whatever_the_case_of_the_name(operators):
    token = operators.log_in(" ADA ", PASSWORD, NOW)
    operator = operators.of_session(token, NOW)
    assert (operator.operator_id, operator.role) == ("ada", "editor")


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("bob", PASSWORD), ("", "")])
def test_others_do_not(operators, name, password):
    assert operators.log_in(name, password, NOW) is None


def test_a_role_may_what_the_lesser_ones_may(operators):
    operator = operators.all()[0]
    assert [operator.may(role) for role in ("viewer", "editor", "admin")] == [True, True, False]


def test_too_many_wrong_passwords_lock_out_for_a_while_even_who_knows_it(operators):
    for _ in range(3):
        assert operators.log_in("ada", "wrong password", NOW) is None
    assert operators.log_in("ada", PASSWORD, later(99)) is None
    assert operators.log_in("ada", PASSWORD, later(100)) is not None


def test_a_right_password_forgives_the_wrong_ones_before(operators):
    for _ in range(2):
        for _ in range(2):
            operators.log_in("ada", "wrong password", NOW)
        assert operators.log_in("ada", PASSWORD, NOW) is not None


def test_a_session_ends_when_nobody_uses_it_and_in_any_case_after_a_while(operators):
    token = operators.log_in("ada", PASSWORD, NOW)
    for seconds in range(0, 600, 50):
        assert operators.of_session(token, later(seconds)) is not None
    assert operators.of_session(token, later(600)) is None
    idle = operators.log_in("ada", PASSWORD, NOW)
    assert operators.of_session(idle, later(60)) is None


def test_who_logs_out_is_out_and_other_sessions_go_on(operators):
    one, other = (operators.log_in("ada", PASSWORD, NOW) for _ in range(2))
    operators.log_out(one)
    operators.log_out("no token")
    assert operators.of_session(one, NOW) is None
    assert operators.of_session(other, NOW) is not None


def test_the_database_has_no_token_that_would_let_anybody_in(operators, engine):
    token = operators.log_in("ada", PASSWORD, NOW)
    with engine.connect() as connection:
        kept = connection.scalars(select(OperatorSessionRow.token_hash)).all()
    assert token not in kept
    assert operators.of_session(kept[0], NOW) is None


def test_a_new_password_ends_all_sessions_and_a_new_role_none(operators):
    token = operators.log_in("ada", PASSWORD, NOW)
    operators.change("ada", role="admin")
    assert operators.of_session(token, NOW).role == "admin"
    operators.change("ada", password="another long password")
    assert operators.of_session(token, NOW) is None
    assert operators.log_in("ada", PASSWORD, NOW) is None
    assert operators.log_in("ada", "another long password", NOW) is not None


def test_who_was_removed_is_out_at_once_and_can_be_added_again(operators):
    token = operators.log_in("ada", PASSWORD, NOW)
    operators.remove("ada")
    assert operators.of_session(token, NOW) is None
    assert operators.log_in("ada", PASSWORD, NOW) is None
    assert operators.all() == []
    operators.add("ada", "viewer", PASSWORD)
    assert operators.of_session(token, NOW) is None
    assert operators.log_in("ada", PASSWORD, NOW) is not None


def test_names_roles_and_passwords_that_are_none_are_refused(operators):
    with pytest.raises(ConflictError, match="nobody has"):
        operators.add("ADA", "viewer", PASSWORD)
    for name, role, password in (("", "viewer", PASSWORD), ("b", "owner", PASSWORD), ("b", "viewer", "short")):
        with pytest.raises(InputError):
            operators.add(name, role, password)
    with pytest.raises(NotFoundError, match="operators list"):
        operators.remove("bob")


def test_what_operators_do_and_what_is_done_to_them_is_audited(operators, engine):
    operators.log_in("ada", PASSWORD, NOW)
    for _ in range(3):
        operators.log_in("ada", "wrong password", NOW)
    operators.change("ada", role="admin", by="root")
    operators.remove("ada", by="root")
    told = [(each.operator_id, each.action) for each in reversed(entries(engine))]
    assert told == [
        ("", "operator added"),
        ("ada", "logged in"),
        ("ada", "locked out"),
        ("root", "operator changed"),
        ("root", "operator removed"),
    ]
    assert check(engine).broken_at is None
    assert PASSWORD not in str(entries(engine))
