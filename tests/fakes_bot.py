"""A small shop's knowledge base, and a bot over it that needs no model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fakes_encoder import FakeEncoder
from fakes_kb import pair

from bot.build import bot_of
from bot.chatbot import ChatBot
from bot.config import Config
from bot.indexing import Assembled, assemble
from bot.rules import RuleSet
from bot.serving import Models, ModelsOf
from kb.types import ZERO_SHOT, Encoder, QAPair, Snapshot, Transition
from kb.vectors import VectorCache
from models.calibrate import DEFAULT, Calibration

DIMENSION = 512

SHOP = (
    pair(
        "Where is my order?",
        "Open **My orders** and choose *Track*.",
        pair_id="track",
        topic="delivery",
        source="faq.csv",
        phrasings=("where is my parcel", "track my delivery please"),
    ),
    pair("How much is delivery?", "Delivery costs 4 euros.", pair_id="price", topic="delivery"),
    pair("How long does delivery take?", "Three days.", pair_id="time", topic="delivery"),
    pair("How do I return something?", "Print the label.", pair_id="return", topic="returns"),
    pair("When do I get my refund?", "Within a week.", pair_id="refund", topic="returns"),
    pair("Can I pay by invoice?", "Yes, as a company.", pair_id="invoice", topic="payment"),
    pair("How do I reset my password?", "Choose *Forgotten*.", pair_id="password", topic="account"),
    pair("Can I wash my tent?", "By hand, with soap.", pair_id="wash", topic="gear"),
)
"""Eight pairs in five topics; fewer phrasings than a calibration of their own would need."""

_ENDINGS = ("please", "now", "today", "quickly", "for my friend", "thanks")

ASKED_SHOP = tuple(
    replace(each, phrasings=(*each.phrasings, *(f"{each.question} {ending}" for ending in _ENDINGS))) for each in SHOP
)
"""The same with phrasings enough for a probe and, where few are asked for, a calibration."""

TRANSITIONS = (
    Transition(from_pair="return", to_pair="refund", count=9),
    Transition(from_pair="return", to_pair="price", count=2),
)


def serving(encoder: Encoder) -> ModelsOf:
    """Gives the models of a checkpoint: this encoder, whatever the checkpoint."""
    return lambda checkpoint_id: Models(encoder=encoder)


def assembled(
    folder: Path, pairs: Sequence[QAPair] = SHOP, encoder: Encoder | None = None, config: Config | None = None
) -> Assembled:
    """Everything that answers from these pairs, in memory; the folder holds the cached vectors."""
    encoder = encoder or FakeEncoder(dimension=DIMENSION)
    return assemble(pairs, Models(encoder=encoder), VectorCache(folder / "vectors", encoder), config or Config())


def bot_over(
    folder: Path,
    pairs: Sequence[QAPair] = SHOP,
    *,
    transitions: tuple[Transition, ...] = TRANSITIONS,
    config: Config | None = None,
    encoder: Encoder | None = None,
    calibration: Calibration = DEFAULT,
    rules: RuleSet | None = None,
) -> ChatBot:
    """A bot as `bot.build` wires it."""
    config = config or Config()
    parts = replace(assembled(folder, pairs, encoder, config), calibration=calibration)
    snapshot = Snapshot(checkpoint=ZERO_SHOT, index="index-1", knowledge_version="7")
    return bot_of(parts, config, transitions=transitions, snapshot=snapshot, rules=rules)
