"""What the REST API takes and gives, as pydantic models: they check requests and make the OpenAPI document."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.attribution import Attribution
from kb.codec import reply_to_json
from kb.text import storable
from kb.types import Explanation, FollowUp, ImpressionRole, Outcome, Reply, Response, Snapshot, Turn, VoteReason
from web.message import MAX_COMMENT, MAX_CONTACT
from web.records import Choice

Identifier = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]
_EXAMPLE_ID = "0cX2o5m1c9oH5k0yNq3l7w"
_EXAMPLE_TURN = "Vq1n3Jm0s7y2Pk4d"


class _Request(BaseModel):
    # A key that is not known is a mistake that would otherwise be found late, such as conversationId.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Chosen(_Request):
    """A follow-up or option that the customer clicked."""

    turn_id: Identifier = Field(description="The turn that showed it.", examples=[_EXAMPLE_TURN])
    pair_id: Identifier = Field(examples=["returns-window"])
    role: ImpressionRole = Field(examples=["follow_up"])

    def choice(self) -> Choice:
        """Return it as the service takes it."""
        return Choice(turn_id=self.turn_id, pair_id=self.pair_id, role=self.role)


class ChatRequest(_Request):
    """One message of a customer."""

    message: str = Field(
        description="As typed. Control characters are removed; what is left must be visible, and not too long.",
        examples=["How do I send something back?"],
    )
    conversation_id: Identifier | None = Field(
        default=None, description="None or absent: starts a conversation.", examples=[None]
    )
    chosen: Chosen | None = Field(
        default=None, description="Where the message is a follow-up or option that was clicked.", examples=[None]
    )


class FeedbackRequest(_Request):
    """A vote on one turn; the newest one counts."""

    conversation_id: Identifier = Field(examples=[_EXAMPLE_ID])
    turn_id: Identifier = Field(examples=[_EXAMPLE_TURN])
    value: Annotated[int, Field(strict=True, ge=-1, le=1)] = Field(
        description="1 helpful, -1 not helpful, 0 takes the vote back.", examples=[-1]
    )
    reason: VoteReason | None = Field(default=None, examples=["out_of_date"])
    comment: str = Field(default="", max_length=MAX_COMMENT, examples=["The window is 60 days now."])


class HandOverRequest(_Request):
    """The wish to talk to a person."""

    conversation_id: Identifier | None = Field(
        default=None, description="None or absent: starts a conversation.", examples=[None]
    )
    contact: str = Field(
        default="",
        max_length=MAX_CONTACT,
        description="Where the conversation was handed over without one, it is added to that hand-over.",
        examples=["kim@example.org"],
    )
    reason: str = Field(default="asked", max_length=MAX_COMMENT, examples=["asked"])


class ChatReply(BaseModel):
    """The bot's reply. `message` holds its own words, mostly without an answer; answers are Markdown."""

    conversation_id: str = Field(description="A secret: it opens the conversation.", examples=[_EXAMPLE_ID])
    turn_id: str = Field(description="What a vote or a click refers to.", examples=[_EXAMPLE_TURN])
    outcome: Outcome
    message: str
    responses: list[Response]
    follow_ups: list[FollowUp] = Field(description="What to ask next; where outcome is clarifying, what was meant.")
    confidence: float = Field(description="Probability that the first response is right.")
    explanation: Explanation
    snapshot: Snapshot
    offers_person: bool = Field(description="True: a person is offered beside the answer.")
    degraded: bool = Field(description="True: the answer could not be recorded, and no vote can refer to it.")
    hand_over_id: str = Field(description="Of the hand-over that this turn made; empty where it made none.")


class VoteReply(BaseModel):
    """The vote that counts now."""

    turn_id: str
    value: int
    reason: VoteReason | None
    comment: str
    created_at: datetime


class HandOverReply(BaseModel):
    """The hand-over as recorded."""

    hand_over_id: str
    conversation_id: str
    reason: str
    contact: str
    transcript: list[dict[str, Any]] = Field(description="Entries with role, text, turn_id and created_at.")
    created_at: datetime


class Suggestions(BaseModel):
    """Questions that can be answered, best first."""

    questions: list[str] = Field(examples=[["How do I send something back?"]])


class LoggedTurn(BaseModel):
    """One exchange as it was sent, with the customer's vote."""

    turn_id: str
    ordinal: int = Field(description="From 1 in each conversation.")
    question: str
    created_at: datetime
    vote: int
    reply: dict[str, Any] = Field(
        description="As POST /api/v1/chat returned it, without conversation_id, degraded and hand_over_id."
    )


class Conversation(BaseModel):
    """The newest 100 turns since the last clear, oldest first."""

    conversation_id: str
    turns: list[LoggedTurn]


class TurnExplanation(BaseModel):
    """The decision record of one turn. Answers are in the turn itself; here is what they were chosen by."""

    turn_id: str
    question: str = Field(description="The customer's message.")
    outcome: Outcome
    confidence: float = Field(description="Probability that the first response is right.")
    responses: list[Response] = Field(description="With what matched of each: the phrasing, the source.")
    explanation: Explanation
    snapshot: Snapshot
    attribution: Attribution | None = Field(
        description="Words of the question as it was understood, with their shares of the evidence for `pair_id`: the "
        "first response, or the nearest pair. None where it was not asked for, or nothing was near."
    )


class Health(BaseModel):
    """The server runs."""

    status: str = Field(examples=["ok"])


class Readiness(BaseModel):
    """The server can answer and record."""

    status: str = Field(examples=["ready"])
    snapshot: Snapshot


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """Return a turn as `LoggedTurn` has it."""
    return {
        "turn_id": turn.turn_id,
        "ordinal": turn.ordinal,
        "question": turn.question,
        "created_at": turn.created_at.isoformat(),
        "vote": turn.vote,
        "reply": dict(turn.reply),
    }


def explanation_to_json(turn: Turn, reply: Reply, attribution: Attribution | None) -> dict[str, Any]:
    """Return the record of a turn as `TurnExplanation` has it."""
    document = reply_to_json(reply)
    kept = ("turn_id", "outcome", "confidence", "responses", "explanation", "snapshot")
    told = {"question": turn.question, "attribution": asdict(attribution) if attribution else None}
    return {name: document[name] for name in kept} | told
