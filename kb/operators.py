"""Operators: who may use the console and as what, their log-ins, and what keeps guessers out.

A viewer reads, an editor also changes the knowledge base and gives verdicts, an admin also promotes checkpoints and
manages operators. A session is known by the hash of its token alone.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from kb.audit import add_entry
from kb.database import reading, writing
from kb.errors import ConflictError, InputError, NotFoundError, describe
from kb.passwords import hash_password, is_password
from kb.tables import OperatorRow, OperatorSessionRow
from kb.text import clean_line, storable

Role = Literal["viewer", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the one who may least to the one who may most."""
_LONGEST_NAME = 64
# Checked where there is no such operator, so that a log-in takes as long as where there is one.
_NOBODY = "scrypt$15$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginConfig:
    """How long a log-in is good, and how many guesses there are."""

    idle_s: float = 1_800.0
    """A session that nobody used for so long has ended."""
    longest_s: float = 43_200.0
    """A session has ended after so long in any case."""
    failures: int = 5
    """Wrong passwords in a row that lock an operator out."""
    locked_s: float = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """Somebody who may use the console."""

    operator_id: str
    role: Role
    created_at: datetime

    def may(self, role: Role) -> bool:
        """Whether the operator may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Operators:
    """The operators of a database; safe to share between threads. Every method raises StorageError where it is away."""

    def __init__(self, engine: Engine, config: LoginConfig | None = None) -> None:
        """Take a migrated engine, and how log-ins are guarded."""
        self._engine = engine
        self._config = config or LoginConfig()

    def add(self, name: str, role: Role, password: str, by: str = "") -> Operator:
        """Add an operator, or one that was removed again; the name is what they log in with.

        Raises:
            InputError: the name, the role or the password can't be used.
            ConflictError: there is one of that name.
        """
        operator_id, hashed = _name(name), hash_password(password)
        values = {"role": _role(role), "password_hash": hashed, "failures": 0, "locked_until": None, "removed_at": None}
        with writing(self._engine) as connection:
            row = _row(connection, operator_id)
            if row is not None and row.removed_at is None:
                raise ConflictError(
                    describe(expected="a name that nobody has", got=repr(operator_id), remedy="take another name")
                )
            if row is None:
                created = {"operator_id": operator_id, "created_at": datetime.now(UTC)}
                connection.execute(insert(OperatorRow), values | created)
            else:
                connection.execute(update(OperatorRow).where(OperatorRow.operator_id == operator_id).values(**values))
            add_entry(connection, by, "operator added", operator_id, {"role": role})
            return _operator(_row(connection, operator_id))

    def change(self, name: str, *, role: Role | None = None, password: str | None = None, by: str = "") -> None:
        """Give an operator another role or password; with a new password, all their sessions end.

        Raises:
            InputError: the role or the password can't be used.
            NotFoundError: there is nobody of that name.
        """
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = _role(role)
        if password is not None:
            values |= {"password_hash": hash_password(password), "failures": 0, "locked_until": None}
        with writing(self._engine) as connection:
            operator_id = _require(connection, name).operator_id
            if values:
                connection.execute(update(OperatorRow).where(OperatorRow.operator_id == operator_id).values(**values))
            if password is not None:
                _end_sessions(connection, operator_id)
            details = {"role": role} if role else {}
            add_entry(connection, by, "operator changed", operator_id, details | {"password": password is not None})

    def remove(self, name: str, by: str = "") -> None:
        """Let an operator in no more; what they did stays theirs.

        Raises:
            NotFoundError: there is nobody of that name.
        """
        with writing(self._engine) as connection:
            operator_id = _require(connection, name).operator_id
            removed = update(OperatorRow).where(OperatorRow.operator_id == operator_id)
            connection.execute(removed.values(removed_at=datetime.now(UTC)))
            _end_sessions(connection, operator_id)
            add_entry(connection, by, "operator removed", operator_id)

    def all(self) -> list[Operator]:
        """Return all operators, by name."""
        chosen = select(OperatorRow).where(OperatorRow.removed_at.is_(None)).order_by(OperatorRow.operator_id)
        with reading(self._engine) as connection:
            return [_operator(row) for row in connection.execute(chosen)]

    def log_in(self, name: str, password: str, now: datetime) -> str | None:
        """Return the token of a new session, or None where name and password don't fit or the operator is locked out.

        Which of the three it was is not told: a guesser learns nothing.
        """
        operator_id = storable(clean_line(name)).lower()[:_LONGEST_NAME]
        with reading(self._engine) as connection:
            known = _row(connection, operator_id, lock=False)
        # Outside the transaction: a hash takes its time, and others must not wait for it.
        is_right = is_password(password, known.password_hash if known else _NOBODY)
        with writing(self._engine) as connection:
            row = _row(connection, operator_id)
            if row is None or row.removed_at is not None or (row.locked_until and row.locked_until > now):
                return None
            if not is_right or known is None or row.password_hash != known.password_hash:
                self._fail(connection, row, now)
                return None
            token = secrets.token_urlsafe(32)
            session = {"token_hash": _hash(token), "operator_id": operator_id, "created_at": now, "seen_at": now}
            connection.execute(insert(OperatorSessionRow), session)
            good = update(OperatorRow).where(OperatorRow.operator_id == operator_id)
            connection.execute(good.values(failures=0, locked_until=None))
            add_entry(connection, operator_id, "logged in")
            return token

    def of_session(self, token: str, now: datetime) -> Operator | None:
        """Return whose session a token is, and note that it was used; None where it is none, or has ended."""
        found = (
            select(OperatorRow, OperatorSessionRow.created_at.label("began_at"), OperatorSessionRow.seen_at)
            .join(OperatorSessionRow, OperatorSessionRow.operator_id == OperatorRow.operator_id)
            .where(OperatorSessionRow.token_hash == _hash(token), OperatorRow.removed_at.is_(None))
        )
        with reading(self._engine) as connection:
            row = connection.execute(found).first()
        if row is None:
            return None
        idle, whole = (timedelta(seconds=each) for each in (self._config.idle_s, self._config.longest_s))
        if now - row.seen_at >= idle or now - row.began_at >= whole:
            self.log_out(token)
            return None
        # A page makes many calls at once; the time need not be exact.
        if now - row.seen_at >= idle / 30:
            seen = update(OperatorSessionRow).where(OperatorSessionRow.token_hash == _hash(token))
            with writing(self._engine) as connection:
                connection.execute(seen.values(seen_at=now))
        return _operator(row)

    def log_out(self, token: str) -> None:
        """End a session; nothing happens where it is none."""
        with writing(self._engine) as connection:
            connection.execute(delete(OperatorSessionRow).where(OperatorSessionRow.token_hash == _hash(token)))

    def _fail(self, connection: Connection, row: Row[Any], now: datetime) -> None:
        """Count a wrong password; the last one of too many locks the operator out for a while."""
        failures = row.failures + 1
        is_locked = failures >= self._config.failures
        values = {
            "failures": 0 if is_locked else failures,
            "locked_until": now + timedelta(seconds=self._config.locked_s) if is_locked else None,
        }
        connection.execute(update(OperatorRow).where(OperatorRow.operator_id == row.operator_id).values(**values))
        if is_locked:
            add_entry(connection, row.operator_id, "locked out", row.operator_id, {"failures": failures})


def _row(connection: Connection, operator_id: str, *, lock: bool = True) -> Row[Any] | None:
    chosen = select(OperatorRow).where(OperatorRow.operator_id == operator_id)
    return connection.execute(chosen.with_for_update() if lock else chosen).first()


def _require(connection: Connection, name: str) -> Row[Any]:
    operator_id = storable(clean_line(name)).lower()
    row = _row(connection, operator_id)
    if row is None or row.removed_at is not None:
        raise NotFoundError(
            describe(
                expected="the name of an operator",
                got=repr(operator_id),
                remedy="see them with `frontdesk operators list`",
            )
        )
    return row


def _operator(row: Any) -> Operator:
    return Operator(operator_id=row.operator_id, role=row.role, created_at=row.created_at)


def _end_sessions(connection: Connection, operator_id: str) -> None:
    connection.execute(delete(OperatorSessionRow).where(OperatorSessionRow.operator_id == operator_id))


def _name(name: str) -> str:
    found = storable(clean_line(name)).lower()
    if not found or len(found) > _LONGEST_NAME:
        raise InputError(
            describe(expected=f"a name of 1 to {_LONGEST_NAME} characters", got=repr(name), remedy="take another name")
        )
    return found


def _role(role: str) -> Role:
    if role not in ROLES:
        raise InputError(describe(expected=f"a role of {', '.join(ROLES)}", got=repr(role), remedy="name one of them"))
    return role


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
