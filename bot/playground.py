"""What a selection makes of the candidates of one question: who is chosen and why, for operators to try."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.chatbot import ChatBot
from bot.selector import Strategy, duplicates, select
from kb.types import FloatArray, Match


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A question, and how to select from what is found for it."""

    question: str
    strategy: Strategy
    diversity: float = 0.3
    k: int = 5
    """How many to select."""
    candidates: int = 20
    """How many of the most relevant ones there are to select from."""
    duplicate_similarity: float = 0.9
    """Cosine of two questions above which their answers say the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A candidate, and what became of it.

    `rank` is its place among the chosen and `rank_by_relevance` the one that relevance alone would give it, both 0
    where it has none; `nearest` is the question most similar to it of those chosen before it, `nearest_similarity`
    their cosine.
    """

    pair_id: str
    question: str
    topic: str
    similarity: float
    relevance: float
    rank: int
    rank_by_relevance: int
    nearest: str
    nearest_similarity: float
    reason: str


def try_selection(bot: ChatBot, trial: Trial) -> list[Tried]:
    """Return the candidates of a question: first the chosen in their order, then the others by relevance.

    Raises:
        MessageError: there is nothing to read in the question.
        ValueError: the selector refuses what the trial asks for.
    """
    matches = bot.rank(trial.question)[: trial.candidates]
    vectors = bot.retriever.question_vectors([bot.row_of(match.pair.pair_id) for match in matches])
    relevance = np.array([match.relevance for match in matches], dtype=np.float32)
    chosen = _select(vectors, relevance, trial, trial.strategy)
    plain = _select(vectors, relevance, trial, "relevance")
    same = duplicates(vectors, chosen, trial.duplicate_similarity)
    order = [*chosen, *(at for at in range(len(matches)) if at not in chosen)]
    return [_tried(at, matches, vectors, chosen, plain, same) for at in order]


def _select(vectors: FloatArray, relevance: FloatArray, trial: Trial, strategy: Strategy) -> list[int]:
    return select(
        vectors,
        relevance,
        trial.k,
        trial.diversity,
        strategy,
        duplicate_similarity=trial.duplicate_similarity,
        keep_duplicates=False,
    )


def _tried(
    at: int,
    matches: Sequence[Match],
    vectors: FloatArray,
    chosen: Sequence[int],
    plain: Sequence[int],
    same: dict[int, int],
) -> Tried:
    """Return what became of one candidate."""
    match = matches[at]
    before = chosen[: chosen.index(at)] if at in chosen else chosen
    cosines = vectors[list(before)] @ vectors[at]
    nearest = int(np.argmax(cosines)) if len(cosines) else -1
    question = matches[before[nearest]].pair.question if nearest >= 0 else ""
    return Tried(
        pair_id=match.pair.pair_id,
        question=match.pair.question,
        topic=match.pair.topic,
        similarity=match.similarity,
        relevance=match.relevance,
        rank=_place(at, chosen),
        rank_by_relevance=_place(at, plain),
        nearest=question,
        nearest_similarity=float(cosines[nearest]) if nearest >= 0 else 0.0,
        reason=_reason(at, matches, chosen, plain, same),
    )


def _place(at: int, chosen: Sequence[int]) -> int:
    return chosen.index(at) + 1 if at in chosen else 0


def _reason(
    at: int, matches: Sequence[Match], chosen: Sequence[int], plain: Sequence[int], same: dict[int, int]
) -> str:
    """Return in words why a candidate was chosen, or was not."""
    if at in same:
        return f"says the same as “{matches[same[at]].pair.question}”"
    if at not in chosen:
        return "would be chosen by relevance alone" if at in plain else "others are more relevant, or add more"
    if at not in plain:
        return "chosen for what it adds: by relevance alone it would not be"
    here, there = chosen.index(at), plain.index(at)
    if here == there:
        return "the most relevant" if here == 0 else "chosen, as by relevance alone"
    return "chosen earlier than by relevance alone" if here < there else "chosen later than by relevance alone"
