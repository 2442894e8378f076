"""Logged turns answered again by two configurations, each with the message, history and time that it had."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.chatbot import ChatBot
from bot.conversations import Document, answers_of, suggestions_of
from kb.codec import context_of, reply_from_json
from kb.errors import InputError, NotFoundError, describe
from kb.log import ConversationLog
from kb.types import Reply

Name = Literal["a", "b"]
NAMES: tuple[Name, ...] = ("a", "b")


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A logged turn, with what both configurations would have replied."""

    turn: Document
    a: Reply
    b: Reply

    def pairs(self, name: Name) -> list[str]:
        """Return the suggestions of a configuration, by rank; options of asking back are none."""
        reply = self.a if name == "a" else self.b
        return [] if reply.outcome == "clarifying" else [each.pair_id for each in reply.follow_ups]

    def answers(self, name: Name) -> tuple[str, ...]:
        """Return how a configuration answers; see `answers_of`."""
        reply = self.a if name == "a" else self.b
        return (reply.outcome, *(each.pair_id for each in reply.responses))

    def answers_as_logged(self, name: Name) -> bool:
        """Whether a configuration answers as was logged."""
        return self.answers(name) == answers_of(self.turn["reply"])

    @property
    def is_explored(self) -> bool:
        """Whether something else might have been suggested."""
        return any(each["propensity"] < 1 for each in suggestions_of(self.turn))


def replayed(
    log: ConversationLog,
    turns: Sequence[Document],
    bots: tuple[ChatBot, ChatBot],
    progress: Callable[[int, int], None],
) -> list[Replayed]:
    """Return the turns that can be answered again, with both replies.

    Raises:
        InputError: there are none, or a configuration draws its suggestions.
    """
    found = []
    for done, document in enumerate(turns, start=1):
        told = reply_from_json(document["reply"]).explanation.told
        if told is not None:
            turn = log.any_turn(document["turn_id"])
            try:
                context = context_of(told, turn, log.turns_at(turn.conversation_id, told.history, turn.created_at))
            except NotFoundError:
                continue
            a, b = (bot.answer(turn.question, context) for bot in bots)
            _require_certain(a)
            _require_certain(b)
            found.append(Replayed(turn=document, a=a, b=b))
        progress(done, len(turns))
    if not found:
        raise InputError(
            describe(
                expected="turns in the log that can be answered again",
                got=f"{len(turns)} that can't be, being of an older version" if turns else "none",
                remedy="let customers ask first, or name an earlier --since",
            )
        )
    return found


def _require_certain(reply: Reply) -> None:
    if any(each.propensity < 1 for each in reply.follow_ups):
        raise InputError(
            describe(
                expected="configurations that always suggest the same",
                got="one that draws suggestions",
                remedy="switch exploration and experiments off in both files: rankings are compared",
            )
        )
