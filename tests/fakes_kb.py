"""Pairs, turns and impressions for tests, with what a test doesn't care about filled in."""

from datetime import UTC, datetime
from typing import Any

from kb.types import Impression, ImpressionRole, QAPair, Turn


def pair(question: str, answer: str, **fields: Any) -> QAPair:
    return QAPair(**{"pair_id": "", "question": question, "answer": answer} | fields)


def turn(conversation_id: str, turn_id: str, question: str = "Where is my parcel?", **fields: Any) -> Turn:
    answer = {"pair_id": "p-1", "answer": f"It is on its **way** ({turn_id})."}
    given = {
        "turn_id": turn_id,
        "conversation_id": conversation_id,
        "ordinal": 0,
        "question": question,
        "outcome": "answered",
        "confidence": 0.75,
        "reply": {"turn_id": turn_id, "message": "", "responses": [answer]},
        "created_at": datetime.now(UTC),
    }
    return Turn(**given | fields)


def impression(turn_id: str, pair_id: str = "p-1", role: ImpressionRole = "response", rank: int = 1) -> Impression:
    return Impression(
        turn_id=turn_id, pair_id=pair_id, role=role, rank=rank, similarity=0.5, relevance=0.25, propensity=1.0
    )
