"""The bots that evaluations ask: of labelled pairs, and of the knowledge base in the data folder."""

from functools import partial
from pathlib import Path

from bot.build import bot_of, load_bot, open_models
from bot.chatbot import ChatBot
from bot.cli.common import stages
from bot.config import Config
from bot.indexing import INDEX, VECTORS, assemble
from kb.manifest import current_id
from kb.types import ZERO_SHOT, QAPair
from kb.vectors import VectorCache


def bot_of_pairs(pairs: list[QAPair], var: Path, settings: Config) -> ChatBot:
    """Return a bot of these pairs, untrained; their vectors are kept in the data folder."""
    models = open_models(var, settings, ZERO_SHOT)
    cache = VectorCache(var / VECTORS / "evaluate", models.encoder)
    with stages() as told:
        return bot_of(assemble(pairs, models, cache, settings, told), settings)


def bot_in_service(var: Path, settings: Config) -> ChatBot:
    """Return the bot of the snapshot in service."""
    snapshot_id = current_id(var / INDEX)
    return load_bot(var, partial(open_models, var, settings), settings, snapshot_id)
