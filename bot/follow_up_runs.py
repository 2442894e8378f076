"""Suggestions in whole conversations: whether each can be answered, whether any comes twice, and how far they reach.

Written dialogues (`bot.dialogues`) are played with the bot's own replies; then the customer clicks the first suggestion
again and again. Beside what the bot suggests stand the nearest neighbours of the same answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bot.chatbot import ChatBot
from bot.dialogues import Dialogue, turn_of
from kb.types import Context, Reply, Turn

CLICKS = 4
"""Suggestions that a customer clicks at the end of a conversation."""


@dataclass(kw_only=True)
class _Seen:
    """What was suggested so far."""

    suggested: list[tuple[str, ...]] = field(default_factory=list)
    near: list[tuple[str, ...]] = field(default_factory=list)
    repeated: int = 0
    without: int = 0


def follow_up_report(
    bot: ChatBot, dialogues: Sequence[Dialogue], progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Return what is known of the suggestions in conversations.

    `answerable` is the share of the pairs suggested whose question, typed in a new conversation, is answered with that
    pair at once; `repeated` counts suggestions that the conversation had before, as a suggestion or an answer; `topics`
    is the mean number of topics in one reply's suggestions, and `pairs` that of different pairs over all conversations.
    """
    seen = _Seen()
    for number, dialogue in enumerate(dialogues):
        _play(bot, dialogue, seen)
        if progress is not None:
            progress(number + 1, len(dialogues))
    pairs = sorted({pair_id for each in seen.suggested for pair_id in each})
    answerable = [_is_answered(bot, pair_id) for pair_id in pairs]
    return {
        "conversations": len(dialogues),
        "replies": len(seen.suggested),
        "replies_without": seen.without,
        "suggestions": sum(map(len, seen.suggested)),
        "answerable": float(np.mean(answerable)) if answerable else 1.0,
        "repeated": seen.repeated,
        "topics": _topics(bot, seen.suggested),
        "pairs": len(pairs),
        "nearest_neighbours": {
            "topics": _topics(bot, seen.near),
            "pairs": len({pair_id for each in seen.near for pair_id in each}),
        },
    }


def _play(bot: ChatBot, dialogue: Dialogue, seen: _Seen) -> None:
    history: list[Turn] = []
    known: set[str] = set()
    messages = [turn.question for turn in dialogue.turns]
    clicks = 0
    while messages:
        message, clicked = messages.pop(0), clicks > 0
        context = Context(
            conversation_id=dialogue.dialogue_id,
            turn_id=f"{dialogue.dialogue_id}-{len(history)}",
            history=tuple(history),
            clicked=clicked,
        )
        reply = bot.answer(message, context)
        history.append(turn_of(dialogue, len(history), message, reply))
        _note(bot, reply, known, seen)
        if not messages and clicks < CLICKS and reply.follow_ups:
            messages.append(reply.follow_ups[0].question)
            clicks += 1


def _note(bot: ChatBot, reply: Reply, known: set[str], seen: _Seen) -> None:
    """Count what a reply suggests; options to choose from are what the question may have meant, and no suggestion."""
    answered = [each.pair_id for each in reply.responses]
    known.update(answered)
    if reply.outcome == "clarifying" or not answered:
        return
    suggested = tuple(each.pair_id for each in reply.follow_ups)
    seen.repeated += len(known & set(suggested))
    seen.without += not suggested
    seen.near.append(_nearest(bot, answered[0], known, len(suggested)))
    seen.suggested.append(suggested)
    known.update(suggested)


def _nearest(bot: ChatBot, pair_id: str, known: set[str], count: int) -> tuple[str, ...]:
    row = bot.row_of(pair_id)
    near = bot.retriever.neighbours(bot.retriever.question_vectors([row])[0], count + len(known) + 1)
    found = [bot.retriever.pairs[each].pair_id for each, _ in near]
    return tuple(each for each in found if each not in known)[:count]


def _is_answered(bot: ChatBot, pair_id: str) -> bool:
    reply = bot.answer(bot.retriever.pairs[bot.row_of(pair_id)].question)
    return reply.outcome == "answered" and bool(reply.responses) and reply.responses[0].pair_id == pair_id


def _topics(bot: ChatBot, suggested: Sequence[tuple[str, ...]]) -> float:
    topics = [{bot.retriever.pairs[bot.row_of(each)].topic for each in some} for some in suggested if some]
    return float(np.mean([len(each) for each in topics])) if topics else 0.0
