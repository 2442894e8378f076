"""Logged conversations as they are judged: what was clicked, how it was voted on, and whether it ended well."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.small_talk import small_talk

Document = Mapping[str, Any]
"""A turn as `ConversationLog.export` yields it."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Turns of one conversation, oldest first; `is_handed_over`: it was passed to a person."""

    conversation: str
    turns: tuple[Document, ...]
    is_handed_over: bool = False

    @property
    def clicked(self) -> bool:
        """Whether a suggestion was clicked."""
        return any(clicked_of(turn) for turn in self.turns)

    @property
    def voted_up(self) -> bool:
        """Whether a turn was voted up, and none down."""
        votes = {turn["vote"] for turn in self.turns}
        return 1 in votes and -1 not in votes

    @property
    def resolved(self) -> bool:
        """Whether the customer confirmed that it ended well.

        It was not passed to a person, nothing was left unanswered after its last answer, and that was not voted down,
        but voted up or followed by thanks or a goodbye. A conversation that just ends is not confirmed.
        """
        answers = [at for at, turn in enumerate(self.turns) if turn["reply"].get("responses")]
        if not answers or self.is_handed_over:
            return False
        last, after = self.turns[answers[-1]], self.turns[answers[-1] + 1 :]
        if last["vote"] == -1 or any(turn["outcome"] != "answered" for turn in after):
            return False
        return last["vote"] == 1 or any(small_talk(turn["question"]) in ("thanks", "goodbye") for turn in after)


def conversations_of(turns: Iterable[Document], handed_over: Collection[str]) -> list[Conversation]:
    """Return the conversations of turns by time, in the order in which they began."""
    found: dict[str, list[Document]] = {}
    for turn in turns:
        found.setdefault(turn["conversation"], []).append(turn)
    return [
        Conversation(conversation=name, turns=tuple(of_it), is_handed_over=name in handed_over)
        for name, of_it in found.items()
    ]


def suggestions_of(turn: Document) -> list[Mapping[str, Any]]:
    """Return the suggestions that a turn showed, by rank; options of asking back are none."""
    return [each for each in turn["impressions"] if each["role"] == "follow_up"]


def clicked_of(turn: Document) -> set[str]:
    """Return the ids of the pairs whose suggestions were clicked."""
    return {each["pair_id"] for each in turn["clicks"] if each["role"] == "follow_up"}


def answers_of(reply: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how a reply answers: its outcome and the pairs that it shows, in their order."""
    return (str(reply["outcome"]), *(str(each["pair_id"]) for each in reply["responses"]))
