"""Whom ChatService asks, and what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.attribution import Attribution
from kb.types import Context, Reply, Snapshot
from web.once import Claim
from web.records import Choice


class Answerer(Protocol):
    """The bot, as the web needs it: pure, no I/O, safe to share between threads."""

    def answer(self, question: str, context: Context) -> Reply:
        """Return the reply; MessageError for an unusable question, VectorIndexError where there is no index."""

    def complete(self, prefix: str, limit: int = 5) -> Sequence[str]:
        """Return indexed questions for what was typed so far, best first."""

    def ready(self) -> str | None:
        """Return None when it can answer, else the reason."""

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        """Return what each word of a question did for a pair; no words where there is no such pair (any more)."""

    def snapshot(self) -> Snapshot:
        """Return what answers come from at this moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One call of `ChatService.ask`."""

    text: str
    conversation_id: str | None
    channel: str
    chosen: Choice | None
    claim: Claim | None
    asked_at: datetime
