"""A conversation with a bot, as the service leads it: every turn is told of those before."""

from datetime import datetime
from typing import Any

from fakes_kb import turn

from bot.chatbot import ChatBot
from kb.codec import reply_to_json
from kb.types import Context, Reply, Turn


class Conversation:
    """Asks one question after another."""

    def __init__(self, bot: ChatBot, asked_at: datetime | None = None) -> None:
        self._bot = bot
        self._asked_at = asked_at
        self._turns: list[Turn] = []

    def ask(self, question: str, *, clicked: bool = False) -> Reply:
        turn_id = f"t-{len(self._turns)}"
        context = Context(turn_id=turn_id, history=tuple(self._turns), asked_at=self._asked_at, clicked=clicked)
        reply = self._bot.answer(question, context)
        fields: dict[str, Any] = {"outcome": reply.outcome, "reply": reply_to_json(reply)}
        self._turns.append(turn("c-1", turn_id, question, **fields))
        return reply


def shown(reply: Reply) -> list[str]:
    return [response.pair_id for response in reply.responses]
