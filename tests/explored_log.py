"""A log whose suggestions were explored: one slot, drawn evenly from some pairs, of which customers want one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.chatbot import ChatBot
from kb.codec import reply_to_json
from kb.log import ConversationLog
from kb.types import Assignment, Context, FollowUp, Turn
from web.records import impressions_of

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)


def record(
    log: ConversationLog,
    bot: ChatBot,
    question: str,
    number: int,
    suggested: Sequence[tuple[str, float]] | None = None,
    *,
    clicked: str = "",
    vote: int = 0,
    experiment: Assignment | None = None,
) -> None:
    """Record a conversation of one turn that suggests pairs with their propensities; None is what the bot suggests."""
    conversation_id = log.start_conversation()
    asked_at = BEGAN + timedelta(minutes=number)
    reply = bot.answer(question, Context(turn_id=f"t-{number}", conversation_id=conversation_id, asked_at=asked_at))
    if suggested is not None:
        follow_ups = tuple(
            FollowUp(pair_id=pair_id, question=pair_id, similarity=0.5, relevance=0.5, rank=rank, propensity=propensity)
            for rank, (pair_id, propensity) in enumerate(suggested, start=1)
        )
        reply = replace(reply, follow_ups=follow_ups)
    reply = replace(reply, explanation=replace(reply.explanation, experiment=experiment))
    turn = Turn(
        turn_id=reply.turn_id,
        conversation_id=conversation_id,
        ordinal=0,
        question=question,
        outcome=reply.outcome,
        confidence=reply.confidence,
        reply=reply_to_json(reply),
        created_at=asked_at,
    )
    log.record(turn, impressions_of(reply))
    if clicked:
        log.click(conversation_id, turn.turn_id, clicked, "follow_up")
    if vote:
        log.vote(conversation_id, turn.turn_id, vote)


def explored(log: ConversationLog, bot: ChatBot, question: str, pairs: Sequence[str], wanted: str, size: int) -> None:
    """Record conversations that suggest one of the pairs evenly; nine of ten customers click the one that is wanted."""
    generator = np.random.default_rng(0)
    for number in range(size):
        pair_id = pairs[int(generator.integers(len(pairs)))]
        is_clicked = generator.random() < (0.9 if pair_id == wanted else 0.1)
        record(log, bot, question, number, [(pair_id, 1 / len(pairs))], clicked=pair_id if is_clicked else "")
