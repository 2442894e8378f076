"""What the operators' console works on: the bot in service, the log, and who operators are and what they did."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from bot.chatbot import ChatBot
from kb.operators import Operators
from kb.store import KnowledgeStore
from web.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The parts that the console's pages share."""

    bot_now: Callable[[], ChatBot]
    engine: Engine
    store: KnowledgeStore
    operators: Operators
    jobs: Jobs
