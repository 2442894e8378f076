"""Which words of a question mattered: each is left out once, and what the answered pair loses by it is its share.

Leave-one-out (occlusion: Zeiler & Fergus 2014; of words: Li et al. 2016, arXiv 1612.08220) through what judges the
question in production. Losses are in log odds: near 0 and 1 the relevance itself hardly moves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kb.types import FloatArray, Snapshot

Relevance = Callable[[Sequence[str]], FloatArray]
"""Gives the relevance (n,) of one pair, in 0..1, to each of n texts."""

# Scripts that are written without spaces: kana and Chinese characters.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_PIECE = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")
_LETTER = re.compile(r"\w")
# float32 knows no probability between this far from 1 and 1.
_LEAST_DOUBT = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributionConfig:
    """How finely a question is taken apart."""

    most: int = 24
    """Parts that are left out, at most; in a longer question neighbouring words go together."""
    characters: int = 8
    """A text without spaces is taken apart by characters up to this length, by pairs of characters beyond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WordShare:
    """A word of a question, and its share of what all words did for the answer; 0 where it did nothing."""

    word: str
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribution:
    """What the words of a question did for a pair, in the question's order; the shares add up to 1, or are all 0.

    There are no words where the pair isn't known (any more). `snapshot` is what judged them.
    """

    pair_id: str
    words: tuple[WordShare, ...]
    snapshot: Snapshot


def words_that_mattered(
    question: str, relevance: Relevance, config: AttributionConfig | None = None
) -> tuple[WordShare, ...]:
    """Return the words of a question in its order, each with its share of the evidence.

    Args:
        question: as it was understood.
        relevance: of the answered pair; called once, with the question and with each variant of it.
        config: see `AttributionConfig`.
    """
    config = config or AttributionConfig()
    parts = _parts(question, config)
    if len(parts) < 2:
        return tuple(WordShare(word=question[part], share=1.0) for part in parts)
    values = _log_odds(relevance([question, *(_without(question, part) for part in parts)]))
    lost = np.maximum(values[0] - values[1:], 0.0)
    shares = lost / lost.sum() if lost.any() else lost
    return tuple(WordShare(word=question[part], share=float(share)) for part, share in zip(parts, shares, strict=True))


def _parts(question: str, config: AttributionConfig) -> list[slice]:
    """Return where the words are; punctuation that stands alone is none."""
    found = [part for piece in _PIECE.finditer(question) for part in _split(piece, config.characters)]
    words = [part for part in found if _LETTER.search(question[part])]
    together = -(-len(words) // config.most)
    groups = [words[at : at + together] for at in range(0, len(words), max(together, 1))]
    return [slice(group[0].start, group[-1].stop) for group in groups]


def _split(piece: re.Match[str], characters: int) -> list[slice]:
    if not re.match(f"[{_UNSPACED}]", piece[0]):
        return [slice(*piece.span())]
    size = 1 if len(piece[0]) <= characters else 2
    return [slice(at, min(at + size, piece.end())) for at in range(piece.start(), piece.end(), size)]


def _without(question: str, part: slice) -> str:
    return " ".join((question[: part.start] + question[part.stop :]).split())


def _log_odds(relevance: FloatArray) -> FloatArray:
    kept = np.clip(np.asarray(relevance, dtype=np.float64), _LEAST_DOUBT, 1 - _LEAST_DOUBT)
    return np.asarray(np.log(kept / (1 - kept)))
