"""ChatService: what REST and the chat page share. It asks the bot, keeps the log, and owns what must happen once.

Everything is synchronous and safe to call from many threads. While the database is away, questions are still answered,
marked degraded and not recorded; what a customer wants kept (a vote, a hand-over) is refused with StorageError instead.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.attribution import Attribution
from bot.config import HandOverConfig, WebConfig
from kb.codec import reply_to_json
from kb.errors import NotFoundError, StorageError
from kb.log import ConversationLog, IdempotentCall, new_conversation_id
from kb.text import clean_line, storable
from kb.types import Context, HandOver, Reply, Snapshot, Turn, Vote, VoteReason
from web.asking import Answerer, Question
from web.message import MAX_COMMENT, MAX_CONTACT, MAX_PREFIX, checked_message
from web.once import Claim, Once, dumps
from web.recent import RecentIds
from web.records import (
    Answered,
    Choice,
    answered_from_json,
    answered_to_json,
    hand_over_from_json,
    hand_over_to_json,
    impressions_of,
    vote_from_json,
    vote_to_json,
)

__all__ = ["Answered", "Answerer", "ChatService", "Choice"]

_log = structlog.get_logger(__name__)

CONTEXT_TURNS = 20
"""How many of the newest turns the bot is told."""


class ChatService:
    """Ask, vote, hand over, read back and clear: one object for all channels."""

    def __init__(
        self,
        answerer: Answerer,
        log: ConversationLog,
        web: WebConfig | None = None,
        hand_over: HandOverConfig | None = None,
    ) -> None:
        self._away_message = (hand_over or HandOverConfig()).away_message
        self._answerer = answerer
        self._log = log
        self._once = Once(log)
        self._web = web or WebConfig()
        # Given out while the database was away: a conversation that began then goes on afterwards.
        self._unstarted = RecentIds()

    def ask(
        self,
        message: str,
        conversation_id: str | None = None,
        *,
        channel: str = "api",
        idempotency_key: str | None = None,
        chosen: Choice | None = None,
    ) -> Answered:
        """Answer a message, and record the turn with what it showed.

        Args:
            message: as the customer typed it; it is cleaned here.
            conversation_id: None starts a conversation.
            channel: where it takes place, such as page or api.
            idempotency_key: equal requests with the same key get the same answer, and are recorded once.
            chosen: what the customer clicked, where the message came from a click.

        Raises:
            MessageError: the message is too long, or has nothing that can be seen.
            NotFoundError: the conversation doesn't exist, or its turn didn't show what was chosen.
            ConflictError: the key came with another request before.
            VectorIndexError: there is no usable index.
        """
        question = Question(
            text=checked_message(message, self._web.max_message_length),
            conversation_id=_known_form(conversation_id),
            channel=channel,
            chosen=chosen,
            claim=Claim.of(idempotency_key, f"ask {channel}"),
            asked_at=datetime.now(UTC),
        )
        if question.claim is None:
            return self._answered(question)
        request = [question.text, question.conversation_id, asdict(chosen) if chosen else None]
        try:
            stored = self._once.stored(question.claim, request)
        except StorageError as error:
            return self._unrecorded(question, error)
        if stored is not None:
            return answered_from_json(stored)
        with self._once.released_on_error(question.claim):
            answered = self._answered(question)
        if answered.degraded:
            self._once.release(question.claim)
        return answered

    def vote(
        self,
        conversation_id: str,
        turn_id: str,
        value: int,
        reason: VoteReason | None = None,
        comment: str = "",
        *,
        idempotency_key: str | None = None,
    ) -> Vote:
        """Append a vote on a turn, 1, -1 or 0 to take it back; one equal to the current one is not repeated.

        Raises:
            InputError: another value or reason.
            NotFoundError: the conversation has no such turn.
            ConflictError: the key came with another request before.
            StorageError: it could not be kept.
        """
        comment = clean_line(comment)[:MAX_COMMENT]

        def work() -> dict[str, Any]:
            return vote_to_json(self._log.vote(conversation_id, turn_id, value, reason, comment))

        request = [conversation_id, turn_id, value, reason, comment]
        return vote_from_json(self._once.run(Claim.of(idempotency_key, "vote"), request, work))

    def hand_over(
        self,
        conversation_id: str | None,
        contact: str = "",
        reason: str = "asked",
        *,
        channel: str = "api",
        idempotency_key: str | None = None,
    ) -> HandOver:
        """Pass a conversation to a person, with its transcript; None starts one.

        Where it was passed on without a contact, one that is given now is added to that hand-over.

        Raises:
            NotFoundError: the conversation doesn't exist.
            ConflictError: the key came with another request before.
            StorageError: it could not be kept.
        """
        given = _known_form(conversation_id)
        contact, reason = clean_line(contact)[:MAX_CONTACT], clean_line(reason)[:MAX_COMMENT]

        def work() -> dict[str, Any]:
            passed = _given_or_new(given)
            self._start(given, passed, channel)
            left = self._log.leave_contact(passed, contact) if contact and given is not None else None
            if left is not None:
                return hand_over_to_json(left)
            return hand_over_to_json(self._log.hand_over(passed, reason=reason, contact=contact))

        claim = Claim.of(idempotency_key, f"hand over {channel}")
        return hand_over_from_json(self._once.run(claim, [given, contact, reason], work))

    def history(self, conversation_id: str) -> list[Turn]:
        """Return the newest 100 turns since the last clear, oldest first, each with its current vote.

        Raises:
            NotFoundError: the conversation doesn't exist.
            StorageError: the database is away.
        """
        with self._empty_if_unstarted(conversation_id):
            return self._log.history(storable(conversation_id))
        return []

    def turn(self, conversation_id: str, turn_id: str) -> Turn:
        """Return a turn since the last clear, with its current vote.

        Raises:
            NotFoundError: the conversation doesn't exist, or has no such turn.
            StorageError: the database is away.
        """
        return self._log.turn(storable(conversation_id), turn_id)

    def attribution(self, reply: Reply) -> Attribution | None:
        """Return which words of the question mattered for the first answer, or else for the nearest pair.

        It is computed now, by the snapshot in service; None where there was no pair at all.
        """
        explanation = reply.explanation
        shown = [each.pair_id for each in reply.responses]
        nearest = shown + [each.pair_id for each in explanation.runners_up]
        return self._answerer.attribute(explanation.understood, nearest[0]) if nearest else None

    def clear(self, conversation_id: str) -> None:
        """Hide the turns so far from the customer; they stay in the log.

        Raises:
            NotFoundError: the conversation doesn't exist.
            StorageError: it could not be kept.
        """
        with self._empty_if_unstarted(conversation_id):
            self._log.clear(storable(conversation_id))

    def suggest(self, prefix: str, limit: int = 5) -> list[str]:
        """Return questions for what was typed so far, none for nothing; VectorIndexError where there is no index."""
        typed = clean_line(prefix[:MAX_PREFIX])
        return list(self._answerer.complete(typed, limit)) if typed else []

    def why_not_ready(self) -> str | None:
        """Return None when the bot can answer, else the reason."""
        return self._answerer.ready()

    def check_storage(self) -> None:
        """Ask the database anything; StorageError where it is away."""
        self._log.votes("")

    def snapshot(self) -> Snapshot:
        """Return what answers come from at this moment."""
        return self._answerer.snapshot()

    def _answered(self, question: Question) -> Answered:
        try:
            history = self._context_turns(question.conversation_id)
            if question.chosen is not None:
                # First, so that a choice of what was not shown leaves nothing behind. A click stays although its turn
                # could not be recorded: the customer did click.
                chosen = question.chosen
                self._log.click(question.conversation_id or "", chosen.turn_id, chosen.pair_id, chosen.role)
        except StorageError as error:
            return self._unrecorded(question, error)
        began = time.perf_counter()
        answered = self._reply(question, history)
        latency_ms = 1000 * (time.perf_counter() - began)
        try:
            self._record(question, answered, latency_ms)
        except StorageError as error:
            return self._degraded(question, answered, error)
        return answered

    def _reply(self, question: Question, history: tuple[Turn, ...] = ()) -> Answered:
        conversation_id = _given_or_new(question.conversation_id)
        context = Context(
            turn_id=secrets.token_urlsafe(12),
            conversation_id=conversation_id,
            history=history,
            asked_at=question.asked_at,
            clicked=question.chosen is not None,
        )
        return Answered(conversation_id=conversation_id, reply=self._answerer.answer(question.text, context))

    def _unrecorded(self, question: Question, error: StorageError) -> Answered:
        return self._degraded(question, self._reply(question), error)

    def _degraded(self, question: Question, answered: Answered, error: StorageError) -> Answered:
        _log.warning("answered without recording", reason=str(error), turn=answered.reply.turn_id)
        if question.conversation_id is None:
            self._unstarted.add(answered.conversation_id)
        if answered.reply.outcome == "handed_over":
            # Nobody will know of it: what the bot says must not promise that.
            explanation = replace(answered.reply.explanation, hand_over="")
            reply = replace(answered.reply, outcome="abstained", message=self._away_message, explanation=explanation)
            answered = replace(answered, reply=reply)
        return replace(answered, degraded=True)

    def _record(self, question: Question, answered: Answered, latency_ms: float) -> None:
        reply = answered.reply
        turn = Turn(
            turn_id=reply.turn_id,
            conversation_id=answered.conversation_id,
            ordinal=0,
            question=question.text,
            outcome=reply.outcome,
            confidence=reply.confidence,
            reply=reply_to_json(reply),
            created_at=question.asked_at,
            latency_ms=latency_ms,
        )
        call = None
        if question.claim is not None:
            response = dumps(answered_to_json(answered))
            call = IdempotentCall(key=question.claim.key, scope=question.claim.scope, response_json=response)
        self._start(question.conversation_id, answered.conversation_id, question.channel)
        self._log.record(turn, impressions_of(reply), call, hand_over=reply.explanation.hand_over)

    def _start(self, given: str | None, conversation_id: str, channel: str) -> None:
        """Start a conversation that the caller didn't name, or that could not be started when it was."""
        if given is None or given in self._unstarted:
            self._log.start_conversation(channel, conversation_id=conversation_id)
            self._unstarted.discard(conversation_id)

    def _context_turns(self, conversation_id: str | None) -> tuple[Turn, ...]:
        if conversation_id is None:
            return ()
        with self._empty_if_unstarted(conversation_id):
            return tuple(self._log.history(conversation_id, CONTEXT_TURNS))
        return ()

    @contextmanager
    def _empty_if_unstarted(self, conversation_id: str) -> Iterator[None]:
        try:
            yield
        except NotFoundError:
            if conversation_id not in self._unstarted:
                raise


def _given_or_new(conversation_id: str | None) -> str:
    return new_conversation_id() if conversation_id is None else conversation_id


def _known_form(conversation_id: str | None) -> str | None:
    return None if conversation_id is None else storable(conversation_id)
