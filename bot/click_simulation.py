"""Simulated customers with known wishes: how much better a ranking by predicted clicks is than one by raw rates.

The catalogue is that of a knowledge base. After pair f, suggestion s attracts with

    σ(offset + topic affinity + words · hidden weights + what pairs have in common in words + chance of the pair)

where affinities of topics, weights of words and chances of pairs are drawn, and words are tf-idf of the questions:
nothing of it is made of the encoder's vectors or of the click model's features. A suggestion at rank r is looked at
with 1 / r^η. What is logged was ranked by cosine and partly drawn from a Plackett-Luce; rankings are compared on other
replies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.exploration import explored
from kb.types import FloatArray, QAPair
from models.clicks import Catalogue, ClickConfig, ClickModel, Shown, fit_clicks
from models.evaluate.reliability import reliability

FloatMatrix = NDArray[np.float64]
SLOTS, CANDIDATES = 3, 12


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """What customers are like."""

    turns: int = 3_000
    """Replies with suggestions in the log."""
    contexts: int = 2_000
    """Replies on which rankings are compared."""
    eta: float = 1.0
    """How quickly customers stop looking: a suggestion at rank r is looked at with 1 / r^eta."""
    offset: float = -2.2
    """Logit of an attraction that nothing speaks for or against."""
    spread: float = 0.9
    """Standard deviation of each of the parts of an attraction."""
    share: float = 0.5
    """Of the slots in the log that are explored."""


class World:
    """A drawn truth over a catalogue."""

    def __init__(self, pairs: Sequence[QAPair], vectors: FloatArray, config: WorldConfig, seed: int) -> None:
        # It takes most of a second to import, which no other command should wait for.
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._config, self._rng = config, np.random.default_rng(seed)
        self._vectors, self._seed = vectors, seed
        words = TfidfVectorizer(sublinear_tf=True).fit_transform([pair.question for pair in pairs])
        _, topic = np.unique([pair.topic for pair in pairs], return_inverse=True)
        affinity = self._rng.normal(size=(topic.max() + 1, topic.max() + 1))
        weights = self._rng.normal(size=words.shape[1])
        parts = (
            affinity[topic[:, None], topic[None, :]],
            np.tile(_standard(words @ weights), (len(pairs), 1)),
            _standard((words @ words.T).toarray()),
            np.tile(self._rng.normal(size=len(pairs)), (len(pairs), 1)),
        )
        logits = config.offset + config.spread * sum(parts)
        self.attraction: FloatMatrix = 1 / (1 + np.exp(-logits))
        self.looks: FloatMatrix = 1 / np.arange(1, SLOTS + 1) ** config.eta
        popularity = 1 / np.arange(1, len(pairs) + 1)
        self._popularity = self._rng.permutation(popularity / popularity.sum())

    def contexts(self, count: int) -> list[tuple[int, list[int]]]:
        """Return so many pairs that were answered, with candidates to suggest: some near ones, and some of any kind."""
        found = []
        for answered in self._rng.choice(len(self._popularity), count, p=self._popularity):
            near = np.argsort(-(self._vectors @ self._vectors[answered]), kind="stable")
            pool = [*near[1 : 2 * CANDIDATES], *self._rng.permutation(len(near))[:CANDIDATES]]
            some = self._rng.permutation(np.unique([each for each in pool if each != answered]))[:CANDIDATES]
            found.append((int(answered), [int(each) for each in some]))
        return found

    def log(self) -> list[tuple[int, int, int, bool]]:
        """Return what was shown: answered, suggested, rank from 1, clicked; a row an impression."""
        rows = []
        for turn, (answered, some) in enumerate(self.contexts(self._config.turns)):
            values = np.clip(self._vectors[some] @ self._vectors[answered], 0, 1)
            ranked = np.argsort(-values, kind="stable")[:SLOTS].tolist()
            seed = 1_000_003 * self._seed + turn
            slots = explored(values, ranked, share=self._config.share, temperature=0.3, seed=seed)
            for rank, slot in enumerate(slots, start=1):
                suggested = some[slot.position]
                chance = self.looks[rank - 1] * self.attraction[answered, suggested]
                rows.append((answered, suggested, rank, bool(self._rng.random() < chance)))
        return rows

    def clicks(self, contexts: Sequence[tuple[int, list[int]]], values: Sequence[FloatMatrix]) -> float:
        """Return the expected clicks of a reply whose candidates are ranked by these values."""
        found = []
        for (answered, some), each in zip(contexts, values, strict=True):
            shown = np.asarray(some)[np.argsort(-each, kind="stable")[:SLOTS]]
            found.append(float(self.looks[: len(shown)] @ self.attraction[answered, shown]))
        return float(np.mean(found))


def click_report(pairs: Sequence[QAPair], vectors: FloatArray, config: WorldConfig, seed: int) -> dict[str, Any]:
    """Return expected clicks of a reply by ways of ranking, and how true predicted clicks are, in one drawn world."""
    world = World(pairs, vectors, config, seed)
    rows = world.log()
    contexts = world.contexts(config.contexts)
    ids = [pair.pair_id for pair in pairs]
    catalogue = Catalogue(
        vectors=dict(zip(ids, vectors, strict=True)),
        topics={pair.pair_id: pair.topic for pair in pairs},
        dimension=vectors.shape[1],
    )
    shown = [
        Shown(conversation=str(at // SLOTS), after=ids[row[0]], pair_id=ids[row[1]], rank=row[2], clicked=row[3])
        for at, row in enumerate(rows)
    ]
    model = fit_clicks(shown, catalogue, ClickConfig(seed=seed))
    assert model is not None, "nobody clicked anything"
    by_pair, by_transition = _raw(rows, lambda row: row[1]), _raw(rows, lambda row: (row[0], row[1]))
    rng = np.random.default_rng(seed)
    ways = {
        "oracle": [world.attraction[answered, some] for answered, some in contexts],
        "model": [model.attraction([ids[a]] * len(some), [ids[each] for each in some]) for a, some in contexts],
        "corrected_rates": [model.rates.of([ids[a]] * len(some), [ids[s] for s in some])[1] for a, some in contexts],
        "raw_rates": [np.array([by_pair.get(each, 0.0) for each in some]) for _, some in contexts],
        "raw_transition_rates": [np.array([by_transition.get((a, s), 0.0) for s in some]) for a, some in contexts],
        "similarity": [vectors[some] @ vectors[answered] for answered, some in contexts],
        "random": [rng.random(len(some)) for _, some in contexts],
    }
    clicks = {name: world.clicks(contexts, values) for name, values in ways.items()}
    return {
        "impressions": len(rows),
        "clicked": float(np.mean([row[3] for row in rows])),
        "clicks_per_reply": clicks,
        "gain_over_raw_rates": clicks["model"] / max(clicks["raw_rates"], clicks["raw_transition_rates"]) - 1,
        "examination": {"true": world.looks.tolist(), "fitted": model.examination.tolist()},
        **_truth(world, model, ids),
    }


def _truth(world: World, model: ClickModel, ids: Sequence[str]) -> dict[str, float]:
    """Return log-loss and ECE of predicted clicks on a fresh log, and the log-loss of the mean rate."""
    rows = world.log()
    clicked = np.array([row[3] for row in rows])
    shown = [
        Shown(conversation="", after=ids[row[0]], pair_id=ids[row[1]], rank=row[2], clicked=row[3]) for row in rows
    ]
    chance = np.clip(model.click_probability(shown), 1e-6, 1 - 1e-6)
    mean = np.full(len(clicked), clicked.mean())

    def log_loss(told: FloatMatrix) -> float:
        return -float(np.where(clicked, np.log(told), np.log1p(-told)).mean())

    return {
        "log_loss": log_loss(chance),
        "log_loss_of_mean_rate": log_loss(mean),
        "ece": reliability(chance, clicked).ece,
    }


def _raw(rows: Sequence[tuple[int, int, int, bool]], key: Any) -> dict[Any, float]:
    """Return clicks per impression, position or not."""
    clicks: dict[Any, float] = {}
    count: dict[Any, int] = {}
    for row in rows:
        clicks[key(row)] = clicks.get(key(row), 0.0) + row[3]
        count[key(row)] = count.get(key(row), 0) + 1
    return {each: clicks[each] / count[each] for each in count}


def _standard(values: FloatMatrix) -> FloatMatrix:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-9), dtype=np.float64)
