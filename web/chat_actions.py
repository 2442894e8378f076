"""What the page's script may ask of the server: seven functions of one JSON object each, over the shared ChatService.

Gradio runs them on its worker threads, outside its queue: a slow answer holds up nobody else's. What a visitor can
cause is answered with `{"error": {"kind", "text"}}`; anything else is a defect, and is left to fail loudly.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast, get_args

from kb.codec import reply_from_json
from kb.errors import (
    FrontdeskError,
    InputError,
    MessageError,
    NotFoundError,
    StorageError,
    VectorIndexError,
    describe,
)
from kb.text import clean_line
from kb.types import ImpressionRole, VoteReason
from web.chat_view import hand_over_view, reply_view, turn_view, words_view
from web.service import ChatService, Choice

Action = Callable[[Any], dict[str, Any]]

CHANNEL = "page"
MAX_COMMENT = 500
MAX_CONTACT = 200
MAX_SUGGESTIONS = 5
_TEXTS = {
    "message": "That can't be sent as it is: it is empty, too long or not text.",
    "not_found": "This conversation is no longer on the server.",
    "away": "This can't be saved just now. Please try again in a moment.",
    "not_ready": "The answers are still being prepared. Please try again in a moment.",
    "failed": "Something went wrong on our side. Please try again.",
}
_KINDS: dict[type[FrontdeskError], str] = {
    InputError: "message",
    NotFoundError: "not_found",
    StorageError: "away",
    VectorIndexError: "not_ready",
}


def chat_actions(service: ChatService) -> list[Action]:
    """Return the functions that the page's script calls by their names."""

    @_told
    def ask_question(payload: dict[str, Any]) -> dict[str, Any]:
        message = _text(payload, "message")
        answered = service.ask(
            message,
            _identifier(payload, "conversation_id"),
            channel=CHANNEL,
            idempotency_key=_identifier(payload, "idempotency_key"),
            chosen=_choice(payload.get("chosen")),
        )
        turn = reply_view(message, answered.reply, votable=not answered.degraded)
        return {"conversation_id": answered.conversation_id, "turn": turn}

    @_told
    def cast_vote(payload: dict[str, Any]) -> dict[str, Any]:
        vote = service.vote(
            _text(payload, "conversation_id"),
            _text(payload, "turn_id"),
            _value(payload.get("value")),
            _reason(payload.get("reason")),
            _text(payload, "comment")[:MAX_COMMENT],
        )
        return {"value": vote.value, "reason": vote.reason}

    @_told
    def request_person(payload: dict[str, Any]) -> dict[str, Any]:
        contact = clean_line(_text(payload, "contact"))[:MAX_CONTACT]
        handed = service.hand_over(
            _identifier(payload, "conversation_id"),
            contact=contact,
            channel=CHANNEL,
            idempotency_key=_identifier(payload, "idempotency_key"),
        )
        return hand_over_view(handed)

    @_told
    def load_history(payload: dict[str, Any]) -> dict[str, Any]:
        turns = service.history(_text(payload, "conversation_id"))
        return {"turns": [turn_view(turn) for turn in turns]}

    @_told
    def clear_history(payload: dict[str, Any]) -> dict[str, Any]:
        service.clear(_text(payload, "conversation_id"))
        return {}

    @_told
    def suggest_questions(payload: dict[str, Any]) -> dict[str, Any]:
        return {"questions": service.suggest(_text(payload, "prefix"))[:MAX_SUGGESTIONS]}

    @_told
    def explain_words(payload: dict[str, Any]) -> dict[str, Any]:
        turn = service.turn(_text(payload, "conversation_id"), _text(payload, "turn_id"))
        reply = reply_from_json(turn.reply)
        return words_view(reply, service.attribution(reply))

    return [ask_question, cast_vote, request_person, load_history, clear_history, suggest_questions, explain_words]


def _told(action: Action) -> Action:
    @wraps(action)
    def told(payload: Any) -> dict[str, Any]:
        try:
            if not isinstance(payload, dict):
                raise _unusable("a JSON object", payload)
            return action(payload)
        except FrontdeskError as error:
            kind = _kind(error)
            return {"error": {"kind": kind, "text": _TEXTS[kind]}}

    return told


def _kind(error: FrontdeskError) -> str:
    return next((kind for family, kind in _KINDS.items() if isinstance(error, family)), "failed")


def _text(payload: dict[str, Any], key: str) -> str:
    value = payload.get(key, "")
    if not isinstance(value, str):
        raise _unusable(f"{key} as text", value)
    return value


def _identifier(payload: dict[str, Any], key: str) -> str | None:
    return None if payload.get(key) is None else _text(payload, key)


def _choice(chosen: Any) -> Choice | None:
    if chosen is None:
        return None
    if not isinstance(chosen, dict) or chosen.get("role") not in get_args(ImpressionRole):
        raise _unusable("the turn, pair and role that were clicked", chosen)
    return Choice(
        turn_id=_text(chosen, "turn_id"),
        pair_id=_text(chosen, "pair_id"),
        role=cast(ImpressionRole, chosen["role"]),
    )


def _value(value: Any) -> int:
    if isinstance(value, bool) or value not in (-1, 0, 1):
        raise _unusable("a vote of 1, -1 or 0", value)
    return int(value)


def _reason(reason: Any) -> VoteReason | None:
    if reason is not None and reason not in get_args(VoteReason):
        raise _unusable(f"a reason out of {', '.join(get_args(VoteReason))}", reason)
    return cast(VoteReason | None, reason)


def _unusable(expected: str, got: Any) -> MessageError:
    return MessageError(describe(expected=expected, got=repr(got)[:80], remedy="send what the page sends"))
