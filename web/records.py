"""What passes between ChatService and its channels, and the JSON in which a repeated request gets it again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kb.codec import reply_from_json, reply_to_json
from kb.hand_overs import hand_over_id_of
from kb.types import HandOver, Impression, ImpressionRole, Reply, Vote


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A follow-up or option that was clicked; `turn_id` is the turn that showed it."""

    turn_id: str
    pair_id: str
    role: ImpressionRole


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A reply and where it belongs; `degraded` means that it could not be recorded, so that no vote can refer to it."""

    conversation_id: str
    reply: Reply
    degraded: bool = False

    @property
    def hand_over_id(self) -> str:
        """Id of the hand-over that the turn made; empty where it made none."""
        return hand_over_id_of(self.reply.turn_id) if self.reply.explanation.hand_over else ""


def impressions_of(reply: Reply) -> list[Impression]:
    """Return what a reply shows: responses, and follow-ups (options where the bot asks back); ranks from 1 in each."""
    offered: ImpressionRole = "option" if reply.outcome == "clarifying" else "follow_up"
    responses = [
        Impression(
            turn_id=reply.turn_id,
            pair_id=each.pair_id,
            role="response",
            rank=each.rank,
            similarity=each.similarity,
            relevance=each.relevance,
            propensity=1.0,
        )
        for each in reply.responses
    ]
    follow_ups = [
        Impression(
            turn_id=reply.turn_id,
            pair_id=each.pair_id,
            role=offered,
            rank=each.rank,
            similarity=each.similarity,
            relevance=each.relevance,
            propensity=each.propensity,
        )
        for each in reply.follow_ups
    ]
    return responses + follow_ups


def answered_to_json(answered: Answered) -> dict[str, Any]:
    """Return the reply's own keys with those of its place beside them: what REST sends."""
    place = {
        "conversation_id": answered.conversation_id,
        "degraded": answered.degraded,
        "hand_over_id": answered.hand_over_id,
    }
    return reply_to_json(answered.reply) | place


def answered_from_json(document: Mapping[str, Any]) -> Answered:
    """Return what `answered_to_json` wrote."""
    return Answered(
        conversation_id=document["conversation_id"],
        reply=reply_from_json(document),
        degraded=document["degraded"],
    )


def hand_over_to_json(hand_over: HandOver) -> dict[str, Any]:
    """Return a hand-over as plain values."""
    return asdict(hand_over) | {"created_at": hand_over.created_at.isoformat()}


def hand_over_from_json(document: Mapping[str, Any]) -> HandOver:
    """Return what `hand_over_to_json` wrote."""
    read = {"created_at": datetime.fromisoformat(document["created_at"]), "transcript": tuple(document["transcript"])}
    return HandOver(**{**document, **read})


def vote_to_json(vote: Vote) -> dict[str, Any]:
    """Return a vote as plain values."""
    return asdict(vote) | {"created_at": vote.created_at.isoformat()}


def vote_from_json(document: Mapping[str, Any]) -> Vote:
    """Return what `vote_to_json` wrote."""
    return Vote(**{**document, "created_at": datetime.fromisoformat(document["created_at"])})
