"""What the console works on, over a bot of a test."""

from pathlib import Path

from sqlalchemy import Engine

from bot.chatbot import ChatBot
from kb.operators import Operators
from kb.store import KnowledgeStore
from web.desk import Desk
from web.jobs import Jobs


def desk_over(engine: Engine, bot: ChatBot, operators: Operators | None = None, var: Path = Path("nowhere")) -> Desk:
    return Desk(
        bot_now=lambda: bot,
        engine=engine,
        store=KnowledgeStore(engine),
        operators=operators or Operators(engine),
        jobs=Jobs(var),
    )
