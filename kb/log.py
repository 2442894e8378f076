"""ConversationLog: conversations, turns, what they showed, and what customers made of it; append-only.

The id of a conversation is the bearer secret of it: whoever knows it may read the conversation and judge its turns.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import Engine, exc, func, insert, select

from kb import idempotency
from kb.database import reading, writing
from kb.errors import ConflictError, InputError, NotFoundError, describe
from kb.hand_overs import leave_contact, pass_on
from kb.idempotency import IdempotentCall
from kb.log_export import conversations_handed_over, export_turns
from kb.tables import ClearRow, ClickRow, ConversationRow, ImpressionRow, TurnRow, VoteRow
from kb.text import clean_line, storable
from kb.turns import (
    any_turn,
    insert_turn,
    last_ordinal,
    lock_conversation,
    lock_turn,
    newest_turns,
    require_conversation,
    turns_at,
    visible_turn,
    visible_turns,
    votes_of,
)
from kb.types import Click, HandOver, Impression, ImpressionRole, Turn, Vote, VoteReason

__all__ = ["ConversationLog", "IdempotentCall", "new_conversation_id"]


def new_conversation_id() -> str:
    """Return a random id of 128 bits."""
    return secrets.token_urlsafe(16)


class ConversationLog:
    """The log in SQL; safe to share between threads. What a method returned from is committed.

    Every method raises StorageError when the database is locked, gone, full or of another schema; nothing is written
    then. Whether it was is unknown in one case only, when a connection is lost during a commit: `record` and
    `start_conversation` may therefore be repeated with the same ids.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        claim_wait_s: float = 10.0,
        claim_lease_s: float = 30.0,
        channels: Sequence[str] = (),
    ) -> None:
        """Take a migrated engine, how long `claim` waits, and how long a claim without a response is respected.

        `channels` are those that hand-overs are told to, by way of the outbox.
        """
        self._engine = engine
        self._channels = tuple(channels)
        self._wait = timedelta(seconds=claim_wait_s)
        self._lease = timedelta(seconds=claim_lease_s)

    def start_conversation(self, channel: str = "web", locale: str = "", conversation_id: str | None = None) -> str:
        """Start a conversation and return its id.

        Args:
            channel: where it takes place, such as web, widget or api.
            locale: of the customer, as far as known.
            conversation_id: one of `new_conversation_id` that was given out while the database was away; starting it
                again changes nothing.
        """
        values = {
            "conversation_id": conversation_id or new_conversation_id(),
            "channel": clean_line(channel),
            "locale": clean_line(locale),
            "created_at": datetime.now(UTC),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(ConversationRow), values)
        except exc.IntegrityError:
            with reading(self._engine) as connection:
                require_conversation(connection, str(values["conversation_id"]))
        return str(values["conversation_id"])

    def record(
        self,
        turn: Turn,
        impressions: Sequence[Impression],
        idempotency: IdempotentCall | None = None,
        *,
        hand_over: str = "",
    ) -> None:
        """Append a turn with what it showed, and complete its idempotency key, all or nothing.

        With a reason to `hand_over`, the conversation is passed to a person, with this turn in its transcript.

        The log numbers the turns of a conversation itself, from 1 without gaps: `turn.ordinal` and `turn.vote` are not
        looked at. A turn id that is recorded already is not recorded again, so that a call may be repeated.

        Raises:
            NotFoundError: the conversation doesn't exist.
            ConflictError: the turn id belongs to another conversation, or the key was completed by another one.
        """
        with writing(self._engine) as connection:
            lock_conversation(connection, turn.conversation_id)
            same_id = select(TurnRow.conversation_id).where(TurnRow.turn_id == turn.turn_id)
            holder = connection.scalar(same_id)
            if holder is None:
                insert_turn(connection, turn, impressions)
                if hand_over:
                    given = {"reason": hand_over, "turn_id": turn.turn_id}
                    pass_on(connection, self._channels, turn.conversation_id, **given)
            elif holder != turn.conversation_id:
                raise ConflictError(
                    describe(expected="a new turn id", got="one of another conversation", remedy="mint another id")
                )
            if idempotency is not None:
                _complete(connection, idempotency)

    def history(self, conversation_id: str, limit: int = 100) -> list[Turn]:
        """Return the newest turns since the last clear, oldest first, each with its current vote.

        Raises:
            NotFoundError: the conversation doesn't exist.
        """
        with reading(self._engine) as connection:
            require_conversation(connection, conversation_id)
            return visible_turns(connection, conversation_id, limit)

    def turn(self, conversation_id: str, turn_id: str) -> Turn:
        """Return a turn of a conversation, with its current vote.

        Raises:
            NotFoundError: the conversation has no such turn since the last clear.
        """
        with reading(self._engine) as connection:
            return visible_turn(connection, conversation_id, turn_id)

    def any_turn(self, turn_id: str) -> Turn:
        """Return a turn, whatever its conversation: for the operator. NotFoundError where there is none of that id."""
        with reading(self._engine) as connection:
            return any_turn(connection, turn_id)

    def newest(self, limit: int) -> list[Turn]:
        """Return the newest turns of all conversations, oldest first: for the operator."""
        with reading(self._engine) as connection:
            return newest_turns(connection, limit)

    def turns_at(self, conversation_id: str, turn_ids: Sequence[str], at: datetime) -> list[Turn]:
        """Return those turns of a conversation in the order given, each with the vote that it had at that time.

        Raises:
            NotFoundError: the conversation has not all of them.
        """
        with reading(self._engine) as connection:
            return turns_at(connection, conversation_id, turn_ids, at)

    def clear(self, conversation_id: str) -> None:
        """Hide the turns so far from `history` and from transcripts; they stay in the log.

        Raises:
            NotFoundError: the conversation doesn't exist.
        """
        with writing(self._engine) as connection:
            lock_conversation(connection, conversation_id)
            values = {"conversation_id": conversation_id, "last_ordinal": last_ordinal(connection, conversation_id)}
            connection.execute(insert(ClearRow), values | {"created_at": datetime.now(UTC)})

    def vote(
        self, conversation_id: str, turn_id: str, value: int, reason: VoteReason | None = None, comment: str = ""
    ) -> Vote:
        """Append a vote, 1, -1 or 0 to take it back, and return it; one equal to the current one is not repeated.

        Raises:
            InputError: another value or reason.
            NotFoundError: the conversation has no such turn.
        """
        _check_vote(value, reason)
        with writing(self._engine) as connection:
            lock_turn(connection, conversation_id, turn_id)
            given = Vote(
                turn_id=turn_id,
                value=value,
                reason=reason,
                comment=clean_line(comment),
                created_at=datetime.now(UTC),
            )
            for current in votes_of(connection, turn_id)[-1:]:
                if (current.value, current.reason, current.comment) == (value, reason, given.comment):
                    return current
            connection.execute(insert(VoteRow), _values(given))
        return given

    def votes(self, turn_id: str) -> list[Vote]:
        """Return all votes on a turn, oldest first: the last one counts."""
        with reading(self._engine) as connection:
            return votes_of(connection, turn_id)

    def click(self, conversation_id: str, turn_id: str, pair_id: str, role: ImpressionRole) -> Click:
        """Append the choice of something that a turn showed, and return it.

        Raises:
            NotFoundError: the conversation has no such turn, or the turn didn't show this pair in this role.
        """
        with writing(self._engine) as connection:
            lock_turn(connection, conversation_id, turn_id)
            shown = select(func.count()).where(
                ImpressionRow.turn_id == turn_id,
                ImpressionRow.pair_id == storable(pair_id),
                ImpressionRow.role == role,
            )
            if not connection.scalar(shown):
                raise NotFoundError(
                    describe(
                        expected=f"a {role} that the turn showed", got=repr(pair_id), remedy="choose one of those shown"
                    )
                )
            click = Click(turn_id=turn_id, pair_id=pair_id, role=role, created_at=datetime.now(UTC))
            connection.execute(insert(ClickRow), _values(click))
        return click

    def hand_over(self, conversation_id: str, reason: str = "asked", contact: str = "") -> HandOver:
        """Append the passing of a conversation to a person, with the turns since the last clear as its transcript.

        An entry of the transcript has `role` (customer or bot), `text`, `turn_id` and `created_at` (ISO 8601).

        Raises:
            NotFoundError: the conversation doesn't exist.
        """
        with writing(self._engine) as connection:
            lock_conversation(connection, conversation_id)
            return pass_on(connection, self._channels, conversation_id, reason=reason, contact=contact)

    def leave_contact(self, conversation_id: str, contact: str) -> HandOver | None:
        """Give a contact to the newest hand-over since the last clear, and return it; None where none is without one.

        Raises:
            NotFoundError: the conversation doesn't exist.
        """
        with writing(self._engine) as connection:
            lock_conversation(connection, conversation_id)
            return leave_contact(connection, self._channels, conversation_id, contact)

    def claim(self, key: str, scope: str, request_hash: str) -> str | None:
        """Claim an idempotency key, or wait for the response of an equal request.

        Args:
            key: as the client sent it.
            scope: whose key it is: the same key in two scopes is two keys.
            request_hash: of the request's body.

        Returns:
            None: go on, and then `record` with it, `complete` or `release` it. Else the stored response, as JSON.

        Raises:
            ConflictError: the key came with another body before.
            StorageError: the equal request has no response within the wait.
        """
        return idempotency.claim(
            self._engine, key=key, scope=scope, request_hash=request_hash, wait=self._wait, lease=self._lease
        )

    def complete(self, key: str, scope: str, response_json: str) -> None:
        """Store the response of a claimed key; every equal request gets it from now on.

        Raises:
            ConflictError: the claim had expired, and another one has completed the key.
        """
        with writing(self._engine) as connection:
            _complete(connection, IdempotentCall(key=key, scope=scope, response_json=response_json))

    def release(self, key: str, scope: str) -> None:
        """Give up a claim without a response, so that an equal request is worked on at once."""
        idempotency.release(self._engine, key=key, scope=scope)

    def export(self, since: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Yield the turns by time, from `since` on, as JSON-ready dicts with impressions, votes and clicks.

        `conversation` is a hash of the conversation's id: turns can be grouped, the secret is not given out.
        """
        with reading(self._engine) as connection:
            yield from export_turns(connection, since)

    def handed_over(self) -> set[str]:
        """Return the conversations that were passed to a person, by the hashes that `export` names them with."""
        with reading(self._engine) as connection:
            return conversations_handed_over(connection)


# `record` has a parameter of the module's name.
_complete = idempotency.complete


def _values(record: Vote | Click) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


def _check_vote(value: int, reason: str | None) -> None:
    if value not in (-1, 0, 1):
        raise InputError(describe(expected="a vote of 1, -1 or 0", got=repr(value), remedy="send one of them"))
    if reason is not None and reason not in get_args(VoteReason):
        reasons = ", ".join(get_args(VoteReason))
        raise InputError(describe(expected=f"a reason out of {reasons}", got=repr(reason), remedy="send one of them"))
