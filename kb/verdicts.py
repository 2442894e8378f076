"""Verdicts: what operators judged of turns, and who is looking at which turn; verdicts are append-only.

A verdict that is taken back is followed by one of value `none`: the newest one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, delete, func, insert, select

from kb.audit import add_entry
from kb.database import reading, writing
from kb.errors import ConflictError, InputError, describe
from kb.tables import ReviewRow, TurnRow, VerdictRow
from kb.text import clean_line, storable
from kb.turns import any_turn

Value = Literal["right", "wrong", "unclear", "out_of_scope", "none"]
"""`wrong` names the right pair where there is one; `none` takes back what was said before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What an operator judged of a turn; `pair_id` is the right pair, empty where there is none or nobody knows it."""

    verdict_id: int
    turn_id: str
    operator_id: str
    value: Value
    pair_id: str
    note: str
    created_at: datetime


class Verdicts:
    """The verdicts of a database; safe to share between threads. Every method raises StorageError where it is away."""

    def __init__(self, engine: Engine, *, claim_s: float = 300.0) -> None:
        """Take a migrated engine, and for how long a turn that somebody looks at is nobody else's."""
        self._engine = engine
        self._claim = timedelta(seconds=claim_s)

    def take(self, turn_id: str, operator_id: str, now: datetime) -> bool:
        """Take a turn to look at, or go on looking, and let go of any other; False where another operator has it.

        Raises:
            NotFoundError: there is no such turn.
        """
        with writing(self._engine) as connection:
            _lock_turn(connection, turn_id)
            row = connection.execute(select(ReviewRow).where(ReviewRow.turn_id == turn_id)).first()
            if row is not None and row.operator_id != operator_id and row.until > now:
                return False
            mine = (ReviewRow.turn_id == turn_id) | (ReviewRow.operator_id == operator_id)
            connection.execute(delete(ReviewRow).where(mine))
            values = {"turn_id": turn_id, "operator_id": operator_id, "until": now + self._claim}
            connection.execute(insert(ReviewRow), values)
            return True

    def leave(self, turn_id: str, operator_id: str) -> None:
        """Let others look at a turn; nothing happens where the operator did not."""
        mine = delete(ReviewRow).where(ReviewRow.turn_id == turn_id, ReviewRow.operator_id == operator_id)
        with writing(self._engine) as connection:
            connection.execute(mine)

    def give(self, turn_id: str, operator_id: str, value: Value, *, pair_id: str = "", note: str = "") -> Verdict:
        """Append a verdict, and let go of the turn.

        Raises:
            InputError: another value, or a right pair for a turn that has none.
            NotFoundError: there is no such turn.
            ConflictError: another operator is looking at it.
        """
        _require_value(value, pair_id)
        values: dict[str, Any] = {
            "turn_id": turn_id,
            "operator_id": storable(operator_id),
            "value": value,
            "pair_id": storable(pair_id),
            "note": storable(clean_line(note)),
            "created_at": datetime.now(UTC),
        }
        with writing(self._engine) as connection:
            _lock_turn(connection, turn_id)
            held = connection.execute(select(ReviewRow).where(ReviewRow.turn_id == turn_id)).first()
            if held is not None and held.operator_id != operator_id and held.until > values["created_at"]:
                raise ConflictError(
                    describe(
                        expected="a turn that nobody else looks at",
                        got=f"one that {held.operator_id} took",
                        remedy="take another turn, or wait some minutes",
                    )
                )
            row = connection.execute(insert(VerdictRow).returning(VerdictRow), values).one()
            connection.execute(delete(ReviewRow).where(ReviewRow.turn_id == turn_id))
            add_entry(connection, operator_id, f"verdict: {value}", turn_id, {"pair_id": pair_id} if pair_id else {})
        return Verdict(**row._asdict())

    def of_turn(self, turn_id: str) -> list[Verdict]:
        """Return all verdicts on a turn, oldest first."""
        chosen = select(VerdictRow).where(VerdictRow.turn_id == storable(turn_id)).order_by(VerdictRow.verdict_id)
        with reading(self._engine) as connection:
            return [Verdict(**row._asdict()) for row in connection.execute(chosen)]

    def current(self, turn_ids: Sequence[str] | None = None) -> list[Verdict]:
        """Return the verdict that counts of each turn that has one, oldest first; `turn_ids` may name the turns."""
        newest = select(func.max(VerdictRow.verdict_id)).group_by(VerdictRow.turn_id)
        if turn_ids is not None:
            newest = newest.where(VerdictRow.turn_id.in_(turn_ids))
        chosen = select(VerdictRow).where(VerdictRow.verdict_id.in_(newest), VerdictRow.value != "none")
        with reading(self._engine) as connection:
            return [Verdict(**row._asdict()) for row in connection.execute(chosen.order_by(VerdictRow.verdict_id))]


def _lock_turn(connection: Connection, turn_id: str) -> None:
    """Lock a turn until the end of the transaction; NotFoundError where there is none of that id."""
    locked = select(TurnRow.turn_id).where(TurnRow.turn_id == storable(turn_id)).with_for_update()
    if connection.scalar(locked) is None:
        any_turn(connection, turn_id)


def _require_value(value: str, pair_id: str) -> None:
    if value not in get_args(Value):
        raise InputError(
            describe(expected=f"a verdict of {', '.join(get_args(Value))}", got=repr(value), remedy="give one of them")
        )
    if pair_id and value not in ("right", "wrong"):
        raise InputError(
            describe(expected=f"no pair with the verdict {value}", got=repr(pair_id), remedy="leave the pair out")
        )
