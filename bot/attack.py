"""The smallest edits that flip a right answer: a greedy search (after TextBugger, Li et al. 2019, arXiv 1812.05271).

The words whose absence hurts the right pair most are found by leaving each out. In these, single letters are deleted,
swapped, replaced and inserted; of all variants the one that hurts most is edited again, until the answer is another.
"""

import math
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bot.chatbot import ChatBot
from bot.labelled import Labelled
from kb.types import Match
from models.training.slips import editable, pick, pieces_of

_CERTAIN = 1e-6
_SHORTEST = 3
"""Letters of a word that is edited."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackConfig:
    """How hard the search tries."""

    edits: int = 3
    """Of single letters, at most."""
    words: int = 3
    """That matter most, in which it edits."""
    variants: int = 48
    """That are asked for each edit, at most."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """A right answer that edits turned into another one."""

    question: str
    disturbed: str
    edits: int
    right: str
    found: str


def attack(
    bot: ChatBot,
    questions: Sequence[Labelled],
    count: int,
    config: AttackConfig,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Return for up to `count` questions that are answered rightly the share that is flipped, by number of edits.

    Returns:
        `n` questions attacked, `flipped`, which maps a number of edits to the share that so many or fewer flip, and
        `examples`: each of `question`, `disturbed`, `edits`, `right` and `found`.
    """
    flips: list[Flip] = []
    attacked = 0
    for at in np.random.default_rng(config.seed).permutation(len(questions)).tolist():
        if attacked == count:
            break
        if not _is_right(questions[at], bot.rank(questions[at].question)):
            continue
        attacked += 1
        flip = _flipped(bot, questions[at], config, np.random.default_rng([config.seed, at]))
        flips += [flip] if flip else []
        if progress is not None:
            progress("Attacking", attacked, count)
    shares = {
        str(edits): sum(flip.edits <= edits for flip in flips) / max(attacked, 1)
        for edits in range(1, config.edits + 1)
    }
    examples = [asdict(flip) for flip in sorted(flips, key=lambda flip: flip.edits)]
    return {"n": attacked, "flipped": shares, "examples": examples}


def _flipped(bot: ChatBot, labelled: Labelled, config: AttackConfig, rng: np.random.Generator) -> Flip | None:
    text = labelled.question
    for edits in range(1, config.edits + 1):
        variants = _variants(bot, labelled, text, config, rng)
        if not variants:
            return None
        rankings = bot.rank_all(variants)
        worst = min(range(len(variants)), key=lambda at: _margin(labelled, rankings[at]))
        text = variants[worst]
        if not _is_right(labelled, rankings[worst]):
            return Flip(
                question=labelled.question,
                disturbed=text,
                edits=edits,
                right=min(labelled.right),
                found=rankings[worst][0].pair.pair_id,
            )
    return None


def _variants(bot: ChatBot, labelled: Labelled, text: str, config: AttackConfig, rng: np.random.Generator) -> list[str]:
    """Return the text with one letter of a word that matters edited, as often as may be asked."""
    pieces = pieces_of(text)
    words = [at for at in editable(pieces) if len(pieces[at]) >= _SHORTEST]
    without = ["".join([*pieces[:at], *pieces[at + 1 :]]) for at in words]
    readable = [at for at, rest in enumerate(without) if rest.strip()]
    margins = [_margin(labelled, each) for each in bot.rank_all([without[at] for at in readable])]
    chosen = [words[readable[at]] for at in np.argsort(margins, kind="stable")[: config.words]] or words
    found = [
        "".join([*pieces[:at], word, *pieces[at + 1 :]])
        for at in chosen
        for word in dict.fromkeys(_edited(pieces[at], rng))
    ]
    kept = np.sort(rng.permutation(len(found))[: config.variants]).tolist()
    return [found[at] for at in kept]


def _edited(word: str, rng: np.random.Generator) -> Iterator[str]:
    """Yield the word with one letter deleted, swapped, replaced or inserted, at each place."""
    for at in range(len(word)):
        left, letter, right = word[:at], word[at], word[at + 1 :]
        other = string.ascii_lowercase[pick(26, rng)]
        yield left + right
        yield left + other + letter + right
        if other != letter.lower():
            yield left + other + right
        if right and right[0] != letter:
            yield left + right[0] + letter + right[1:]


def _margin(labelled: Labelled, matches: Sequence[Match]) -> float:
    """Return by how much a right pair is before the best other one, in log odds; below 0 it is behind."""
    best = {True: _log_odds(0.0), False: _log_odds(0.0)}
    for each in matches:
        is_right = each.pair.pair_id in labelled.right
        best[is_right] = max(best[is_right], _log_odds(each.relevance))
    return best[True] - best[False]


def _log_odds(relevance: float) -> float:
    kept = min(max(relevance, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def _is_right(labelled: Labelled, matches: Sequence[Match]) -> bool:
    return bool(matches) and matches[0].pair.pair_id in labelled.right
