"""Labelled pairs for training: gathered, split so that nothing leaks, weighed, described and checked."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kb.errors import TrainingDataError, describe
from kb.types import QAPair
from models.training.grouping import normalised, question_groups

FloatArray = NDArray[np.float64]
Origin = Literal["pair", "phrasing", "history", "operator", "click", "pseudo"]
Need = Literal["pairs", "topics", "labels"]

RIGHT = 0.5
"""Labels from here on are right ones."""
# Which of two rows about one question and pair counts. The pair's own question is what the pair is.
_PRECEDENCE: Mapping[Origin, int] = {"pseudo": 0, "click": 1, "phrasing": 2, "history": 3, "operator": 4, "pair": 5}
_WRONG = ""
_QUANTILES = {"least": 0.0, "quarter": 0.25, "median": 0.5, "three_quarters": 0.75, "most": 1.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class LabeledPair:
    """Whether a pair answers a question: label from 0 (wrong) to 1 (right), graded in between; weight from 0.

    Raises:
        TrainingDataError: the question or the id is blank, the label is not in 0..1, or the weight no number from 0.
    """

    question: str
    pair_id: str
    label: float = 1.0
    weight: float = 1.0
    origin: Origin = "phrasing"

    def __post_init__(self) -> None:
        if not self.question.strip() or not self.pair_id.strip():
            raise _unusable("a question and a pair id", repr(self.question or self.pair_id), "leave the row out")
        if not 0.0 <= self.label <= 1.0:
            raise _unusable("a label from 0 to 1", repr(self.label), "scale the labels")
        if not 0.0 <= self.weight < float("inf"):
            raise _unusable("a weight from 0", repr(self.weight), "give 1 where nothing is known")
        if self.origin not in _PRECEDENCE:
            raise _unusable(f"an origin of {', '.join(_PRECEDENCE)}", repr(self.origin), "mend the origin")


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitConfig:
    """How labelled pairs are split into training and validation."""

    validation_share: float = 0.15
    """Share of each pair's texts that goes to validation, as far as whole groups allow."""
    least_training: int = 1
    """Texts that a pair must keep for training."""
    token_similarity: float = 0.8
    """Jaccard similarity of words from which two questions stay on one side."""
    trigram_similarity: float = 0.85
    """Dice similarity of character trigrams from which they do."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedsConfig:
    """What there must be at least to train on."""

    least_questions: int = 20
    """Questions that differ after normalisation."""
    tells_apart: tuple[Need, ...] = ("pairs",)
    """What the losses tell apart, and so must differ: `pairs`; `topics`; `labels`, where wrong ones are learnt from."""


def labeled_pairs(pairs: Sequence[QAPair], verdicts: Sequence[LabeledPair] = ()) -> list[LabeledPair]:
    """Return the questions and phrasings of the pairs, labelled 1, and the verdicts.

    Of rows with the same normalised question and the same pair one is kept: the pair's own question before an
    operator's verdict, then history, phrasings, clicks and pseudo-labels; of one origin the later row. A question that
    is right for several pairs is kept for each. Verdicts on pairs that aren't there, such as retired, are left out.
    """
    known = {pair.pair_id for pair in pairs}
    kept: dict[tuple[str, str], LabeledPair] = {}
    for row in chain(_texts(pairs), (verdict for verdict in verdicts if verdict.pair_id in known)):
        key = (normalised(row.question), row.pair_id)
        held = kept.get(key)
        if held is None or _PRECEDENCE[row.origin] >= _PRECEDENCE[held.origin]:
            kept[key] = row
    return list(kept.values())


def split(labeled: Sequence[LabeledPair], config: SplitConfig) -> tuple[list[LabeledPair], list[LabeledPair]]:
    """Return (training, validation), sorted; the same for every order of the rows.

    A group of equal or nearly equal questions goes to one side whole (`grouping.question_groups`), and to training
    where one of them is a pair's own question. Each pair gives its share of right texts to validation, the broken part
    of a text by a draw of its own, so that pairs of few texts are there too; what is labelled wrong for every pair is
    shared out the same way. Draws are hashes of seed and text: rows that are added move few of the others.
    """
    rows = sorted(labeled, key=_row_key)
    names = question_groups(
        [row.question for row in rows],
        token_similarity=config.token_similarity,
        trigram_similarity=config.trigram_similarity,
    )
    groups: dict[str, list[LabeledPair]] = defaultdict(list)
    for name, row in zip(names, rows, strict=True):
        groups[name].append(row)
    strata = {name: _strata(members) for name, members in groups.items()}
    room = _quotas(strata.values(), config)
    held_out: set[str] = set()
    for name in sorted(groups, key=lambda name: (_draw(config.seed, name), name)):
        counts = strata[name]
        fits = all(room[stratum] >= count for stratum, count in counts.items())
        if fits and not any(row.origin == "pair" for row in groups[name]):
            held_out.add(name)
            room.subtract(counts)
    sides: tuple[list[LabeledPair], list[LabeledPair]] = ([], [])
    for name, row in zip(names, rows, strict=True):
        sides[name in held_out].append(row)
    return sides


def sampling_weights(counts: ArrayLike, power: float) -> FloatArray:
    """Return the probability (n,) with which each pair is drawn, ∝ count^power; 0 for one without texts.

    1 draws texts as they come, 0 every pair alike; 0.5 is the square root of Mikolov et al. 2013 for long tails.
    """
    count = np.asarray(counts, dtype=np.float64)
    weight = np.where(count > 0, np.maximum(count, 1e-300) ** power, 0.0)
    return np.asarray(weight / max(float(weight.sum()), 1e-300), dtype=np.float64)


def class_weights(counts: ArrayLike, beta: float = 0.999) -> FloatArray:
    """Return weights (n,) by the effective number of samples (1 - β^count) / (1 - β), with mean 1.

    β from 0 (every class alike) to just below 1 (one over the count); classes without samples weigh 0 and are left out
    of the mean. Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples.
    """
    count = np.asarray(counts, dtype=np.float64)
    there = count > 0
    weight = np.zeros(len(count))
    weight[there] = (1.0 - beta) / (1.0 - beta ** count[there])
    return weight / weight[there].mean() if there.any() else weight


def data_manifest(
    train: Sequence[LabeledPair], valid: Sequence[LabeledPair], pairs: Sequence[QAPair], config: SplitConfig
) -> dict[str, Any]:
    """Return what a training run learnt from, as plain values: counts, the split and hashes.

    `data_hash` is of all labelled rows whatever the split, `train_hash` and `valid_hash` of each side, `pairs_hash` of
    the pairs' texts; none depends on an order.
    """
    rows = [*train, *valid]
    texts = list(Counter(row.pair_id for row in rows if row.label >= RIGHT).values()) or [0]
    asked = {row.pair_id for row in rows}
    return {
        "train": len(train),
        "valid": len(valid),
        "pairs": len(pairs),
        "pairs_with_texts": len(asked),
        "pairs_in_valid": len({row.pair_id for row in valid}),
        "topics": len({pair.topic for pair in pairs if pair.topic}),
        "origins": dict(sorted(Counter(row.origin for row in rows).items())),
        "labels": dict(sorted(Counter(f"{row.label:.1f}" for row in rows).items())),
        "texts_per_pair": {name: float(np.quantile(texts, at)) for name, at in _QUANTILES.items()},
        "split": asdict(config),
        "data_hash": _hash(map(_row_key, rows)),
        "train_hash": _hash(map(_row_key, train)),
        "valid_hash": _hash(map(_row_key, valid)),
        "pairs_hash": _hash((p.pair_id, p.question, p.answer, p.topic, *sorted(p.phrasings)) for p in pairs),
    }


def require_enough(
    train: Sequence[LabeledPair], pairs: Sequence[QAPair] = (), config: NeedsConfig | None = None
) -> None:
    """Refuse rows that nothing can be learnt from; `pairs` tell the topics.

    Raises:
        TrainingDataError: there is no text, or too few; or what must be told apart is all the same.
    """
    config = config or NeedsConfig()
    more = "import more questions or phrasings"
    if not train:
        raise _unusable("labelled questions to train on", "no text", "import pairs with phrasings, or history")
    asked = len({normalised(row.question) for row in train})
    if asked < config.least_questions:
        expected = f"{config.least_questions} different questions or more to train on"
        raise _unusable(expected, str(asked), f"{more}, or lower least_questions")
    right = {row.pair_id for row in train if row.label >= RIGHT}
    if "pairs" in config.tells_apart and len(right) < 2:
        got = f"one, {min(right)}" if right else "none"
        raise _unusable("questions that two pairs or more answer", got, "import more pairs: one needs no matcher")
    topics = {pair.topic for pair in pairs if pair.pair_id in right and pair.topic}
    if "topics" in config.tells_apart and len(topics) < 2:
        got = f"one, {min(topics)}" if topics else "none"
        raise _unusable("pairs of two topics or more", got, "give pairs their topics, or train without topics")
    labels = {row.label for row in train}
    if "labels" in config.tells_apart and len(labels) < 2:
        remedy = "label some the other way, or choose a loss that takes the other pairs for wrong"
        raise _unusable("labels that differ", f"{min(labels):g} in all {len(train)} rows", remedy)


def _texts(pairs: Iterable[QAPair]) -> Iterator[LabeledPair]:
    for pair in pairs:
        if pair.question.strip():
            yield LabeledPair(question=pair.question, pair_id=pair.pair_id, origin="pair")
        for phrasing in filter(str.strip, pair.phrasings):
            yield LabeledPair(question=phrasing, pair_id=pair.pair_id, origin="phrasing")


def _row_key(row: LabeledPair) -> tuple[str, str, float, float, str]:
    return row.question, row.pair_id, float(row.label), float(row.weight), row.origin


def _strata(members: Iterable[LabeledPair]) -> Counter[str]:
    """Return how many texts of each pair a group holds; a group that is right for none is a stratum of its own."""
    counts = Counter(row.pair_id for row in members if row.label >= RIGHT)
    return counts or Counter({_WRONG: sum(1 for _ in members)})


def _quotas(strata: Iterable[Mapping[str, int]], config: SplitConfig) -> Counter[str]:
    """Return how many texts each stratum may give to validation."""
    counts: Counter[str] = Counter()
    for some in strata:
        counts.update(some)
    quotas: Counter[str] = Counter()
    for stratum, count in counts.items():
        wished = int(config.validation_share * count + _draw(config.seed, stratum))
        least = 0 if stratum == _WRONG else config.least_training
        quotas[stratum] = max(0, min(wished, count - least))
    return quotas


def _draw(seed: int, text: str) -> float:
    """Return a number in [0, 1) that depends on nothing but seed and text."""
    digest = hashlib.blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _hash(rows: Iterable[tuple[Any, ...]]) -> str:
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update(json.dumps(row).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _unusable(expected: str, got: str, remedy: str) -> TrainingDataError:
    return TrainingDataError(describe(expected=expected, got=got, remedy=remedy))
