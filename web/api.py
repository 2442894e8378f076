"""REST: chat, feedback, hand-over, suggestions and conversations under /api/v1, and whether the server is well.

The functions are synchronous: FastAPI runs them on worker threads. They return finished responses, since what they
send was checked where it was made; the models describe it.
"""

from typing import Annotated, Any

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Header, Path, Query
from starlette.responses import JSONResponse, Response

from kb.codec import reply_from_json
from kb.errors import StorageError
from web.api_models import (
    ChatReply,
    ChatRequest,
    Conversation,
    FeedbackRequest,
    HandOverReply,
    HandOverRequest,
    Health,
    Identifier,
    Readiness,
    Suggestions,
    TurnExplanation,
    VoteReply,
    explanation_to_json,
    turn_to_json,
)
from web.message import MAX_PREFIX
from web.problems import Problem, problem
from web.records import answered_to_json, hand_over_to_json, vote_to_json
from web.service import ChatService

_log = structlog.get_logger(__name__)

STORAGE_WAIT_S = 3.0
"""A database that has not answered by then counts as away."""
_MOST_CHECKS = 4

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A random text such as a UUID. An equal request with the same key gets the same response, and "
        "takes effect once. Keep it as secret as the conversation_id that it gives out.",
        examples=["5f1d7c1e-4a57-4d6b-9a6f-0f4d0b7f3a51"],
    ),
]
ConversationId = Annotated[Identifier, Path(examples=["0cX2o5m1c9oH5k0yNq3l7w"])]
TurnId = Annotated[Identifier, Path(examples=["Vq1n3Jm0s7y2Pk4d"])]
WithAttribution = Annotated[bool, Query(description="Also tell which words of the question mattered.")]
_MEANINGS = {
    400: "The body is not JSON.",
    404: "There is no such conversation, or it has no such turn.",
    408: "The body took too long to come.",
    413: "The body is too large.",
    422: "The request is not usable, or its Idempotency-Key came with another request before.",
    429: "Too many requests from this address; Retry-After tells when to go on.",
    503: "The database or the index is away; Retry-After tells when to try again.",
}
_ALWAYS = (413, 429)


def api_router(service: ChatService) -> APIRouter:
    """Return the routes of /api/v1."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/chat", response_model=ChatReply, tags=["chat"], responses=_errors(400, 404, 408, 422, 503))
    def chat(request: ChatRequest, idempotency_key: IdempotencyKey = None) -> Response:
        """Answer a message; the turn and what it showed are recorded."""
        answered = service.ask(
            request.message,
            request.conversation_id,
            idempotency_key=idempotency_key,
            chosen=request.chosen.choice() if request.chosen else None,
        )
        return JSONResponse(answered_to_json(answered))

    @router.post("/feedback", response_model=VoteReply, tags=["chat"], responses=_errors(400, 404, 408, 422, 503))
    def feedback(request: FeedbackRequest, idempotency_key: IdempotencyKey = None) -> Response:
        """Vote on a turn: 1, -1, or 0 to take the vote back. All votes are kept, and the newest one counts."""
        vote = service.vote(
            request.conversation_id,
            request.turn_id,
            request.value,
            request.reason,
            request.comment,
            idempotency_key=idempotency_key,
        )
        return JSONResponse(vote_to_json(vote))

    @router.post("/handover", response_model=HandOverReply, tags=["chat"], responses=_errors(400, 404, 408, 422, 503))
    def hand_over(request: HandOverRequest, idempotency_key: IdempotencyKey = None) -> Response:
        """Pass the conversation to a person, with its transcript."""
        done = service.hand_over(
            request.conversation_id, request.contact, request.reason, idempotency_key=idempotency_key
        )
        return JSONResponse(hand_over_to_json(done))

    @router.get("/suggest", response_model=Suggestions, tags=["chat"], responses=_errors(422, 503))
    def suggest(
        q: Annotated[str, Query(description="What was typed so far.", max_length=MAX_PREFIX, examples=["how do I"])],
        limit: Annotated[int, Query(ge=1, le=10)] = 5,
    ) -> Response:
        """Return questions that begin with, or are near to, what was typed."""
        return JSONResponse({"questions": service.suggest(q, limit)})

    path = "/conversations/{conversation_id}"

    @router.get(path, response_model=Conversation, tags=["conversations"], responses=_errors(404, 422, 503))
    def read_conversation(conversation_id: ConversationId) -> Response:
        """Return the turns since the last clear, oldest first, each with its current vote."""
        turns = [turn_to_json(turn) for turn in service.history(conversation_id)]
        return JSONResponse({"conversation_id": conversation_id, "turns": turns})

    @router.get(
        f"{path}/turns/{{turn_id}}/explanation",
        response_model=TurnExplanation,
        tags=["conversations"],
        responses=_errors(404, 422, 503),
    )
    def explain_turn(
        conversation_id: ConversationId, turn_id: TurnId, attribution: WithAttribution = False
    ) -> Response:
        """Return why a turn was answered as it was; with `attribution`, also which words mattered, computed now."""
        turn = service.turn(conversation_id, turn_id)
        reply = reply_from_json(turn.reply)
        return JSONResponse(explanation_to_json(turn, reply, service.attribution(reply) if attribution else None))

    @router.delete(path, status_code=204, tags=["conversations"], responses=_errors(404, 422, 503))
    def clear_conversation(conversation_id: ConversationId) -> Response:
        """Hide the turns so far from the customer; they stay in the log."""
        service.clear(conversation_id)
        return Response(status_code=204)

    return router


def health_router(service: ChatService) -> APIRouter:
    """Return the routes that say whether the server lives, and whether it can serve."""
    router = APIRouter(tags=["health"])
    limiter = anyio.CapacityLimiter(_MOST_CHECKS)

    @router.get("/livez", response_model=Health)
    async def livez() -> Response:
        """Return 200 as long as the process answers at all; a supervisor may restart it otherwise."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", response_model=Readiness, responses=_errors(503))
    async def readyz() -> Response:
        """Return 200 when there is an index and the database answers, else 503 with the reasons."""
        reasons = [f"index: {reason}"] if (reason := service.why_not_ready()) else []
        if not await _storage_answers(service, limiter):
            reasons.append("database: it does not answer")
        if reasons:
            return problem(503, "not-ready", "; ".join(reasons))
        snapshot = service.snapshot()
        names = {name: getattr(snapshot, name) for name in snapshot.__slots__}
        return JSONResponse({"status": "ready", "snapshot": names})

    return router


async def _storage_answers(service: ChatService, limiter: anyio.CapacityLimiter) -> bool:
    # In a thread that is left behind where the database hangs, with threads of its own: this must tell in time.
    with anyio.move_on_after(STORAGE_WAIT_S):
        try:
            await anyio.to_thread.run_sync(service.check_storage, abandon_on_cancel=True, limiter=limiter)
        except StorageError as error:
            _log.warning("database away", reason=str(error))
            return False
        return True
    return False


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    chosen = sorted({*statuses, *(_ALWAYS if statuses != (503,) else ())})
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in chosen}
