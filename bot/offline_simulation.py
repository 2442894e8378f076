"""A world of suggestions whose truth is known: do intervals of off-policy estimates cover it?

A world has questions; each has candidates with features and an attraction. Customers read a list from the top and click
the first suggestion that attracts them, if they read so far (cascade: Craswell et al. 2008). A policy ranks candidates
by its own relevance, and explores as the product does: a slot is drawn, with probability `share`, from a Plackett-Luce
over what is left, and is else the best that is left. All lists can be counted: propensities and true rates are exact.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.offline import METHODS, Comparison, Estimate, Logged, Method, Target, along_lists, compare
from bot.offline_rewards import cross_fitted

Vector = NDArray[np.float64]

_JUDGED = ("a", "b", "difference")


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationConfig:
    """The world, what is logged of it, and the two policies that are judged on the log."""

    conversations: int = 3000
    most_turns: int = 3
    """A conversation has 1 up to so many turns, about one topic and with one eagerness to click."""
    topics: int = 8
    questions: int = 5
    """Of a topic."""
    candidates: int = 6
    slots: int = 3
    features: int = 4
    share: float = 0.5
    """Of slots that the logging policy explores."""
    temperature: float = 1.0
    """Of the Plackett-Luce."""
    change: float = 0.4
    """By how much the relevance of B differs from that of A and of the log, in standard deviations."""
    eagerness: tuple[float, float] = (0.4, 1.0)
    """Of the two kinds of customers: what their attraction is multiplied by."""
    go_on: float = 0.8
    """Probability that who is not attracted by a suggestion reads the next one."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Questions (q,) with candidates (c,), all lists of them (l, k), and what is true of these."""

    lists: NDArray[np.int64]
    features: Vector
    """(q, c, d)"""
    propensities: Vector
    """Of each slot of each list given those above it, by policy: logging, A, B (3, q, l, k)."""
    clicks: Vector
    """Probability of a click at each slot, by eagerness (2, q, l, k)."""

    def click_rates(self) -> Vector:
        """Return the true clicks per suggestion of each policy (3,): every list weighted by its probability."""
        of_lists = self.propensities.prod(axis=-1)
        clicks = self.clicks.mean(axis=0).mean(axis=-1)
        return np.asarray((of_lists * clicks).sum(axis=-1).mean(axis=-1), dtype=np.float64)


def make_world(config: SimulationConfig, generator: np.random.Generator) -> World:
    """Return a world of drawn questions, candidates and tastes."""
    asked = config.topics * config.questions
    lists = np.array(list(permutations(range(config.candidates), config.slots)))
    features = generator.standard_normal((asked, config.candidates, config.features))
    served, taste, other = generator.standard_normal((3, config.features)) / np.sqrt(config.features)
    relevance = features @ served
    changed = features @ (served + config.change * other)
    # What serves knows something of what customers like.
    attraction = 1 / (1 + np.exp(1.5 - 1.5 * features @ (0.5 * served + taste)))
    return World(
        lists=lists,
        features=features,
        propensities=np.stack(
            [
                slot_propensities(relevance, lists, config.share, config.temperature),
                slot_propensities(relevance, lists, 0.0, config.temperature),
                slot_propensities(changed, lists, config.share / 3, config.temperature),
            ]
        ),
        clicks=np.stack([_clicks(each * attraction, lists, config.go_on) for each in config.eagerness]),
    )


def slot_propensities(relevance: Vector, lists: NDArray[np.int64], share: float, temperature: float) -> Vector:
    """Return the probability of each slot of each list, given the slots above it (q, l, k).

    With probability `share` a slot is drawn from a Plackett-Luce over exp(relevance / temperature) of what is left
    (Plackett 1975), and is else the most relevant of what is left.
    """
    left = np.ones((len(relevance), len(lists), relevance.shape[1]), dtype=bool)
    every = np.arange(len(lists))
    slots = []
    for chosen in lists.T:
        among = np.where(left, relevance[:, None, :], -np.inf)
        weights = np.exp((among - among.max(axis=-1, keepdims=True)) / temperature)
        drawn = weights[:, every, chosen] / weights.sum(axis=-1)
        slots.append(share * drawn + (1 - share) * (among.argmax(axis=-1) == chosen))
        left[:, every, chosen] = False
    return np.stack(slots, axis=-1)


def _clicks(attraction: Vector, lists: NDArray[np.int64], go_on: float) -> Vector:
    """Return the probability of a click at each slot (q, l, k); who is not attracted reads on with `go_on`."""
    attracted = attraction[:, lists]
    reads_on = np.cumprod((1 - attracted) * go_on, axis=-1)
    reached = np.concatenate([np.ones_like(reads_on[..., :1]), reads_on[..., :-1]], axis=-1)
    return np.asarray(reached * attracted, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Log:
    """What was logged of a world: the questions (t,) and lists (t,) of its turns, and clicks at their slots (t, k)."""

    question: NDArray[np.int64]
    shown: NDArray[np.int64]
    conversation: NDArray[np.int64]
    clicked: NDArray[np.bool_]


def make_log(world: World, config: SimulationConfig, generator: np.random.Generator) -> Log:
    """Return the turns of conversations under the logging policy."""
    turns = generator.integers(1, config.most_turns + 1, config.conversations)
    conversation = np.repeat(np.arange(config.conversations), turns)
    topic = generator.integers(config.topics, size=config.conversations)[conversation]
    question = topic * config.questions + generator.integers(config.questions, size=len(topic))
    eager = generator.integers(len(world.clicks), size=config.conversations)[conversation]
    below = np.cumsum(world.propensities[0].prod(axis=-1), axis=-1)[question]
    # Rounding leaves the last sum a little beside 1.
    shown = (below < generator.random((len(question), 1)) * below[:, -1:]).sum(axis=-1)
    clicks = np.cumsum(world.clicks[eager, question, shown], axis=-1)
    drawn = generator.random((len(question), 1))
    clicked = (drawn < clicks) & (drawn >= np.concatenate([np.zeros_like(drawn), clicks[:, :-1]], axis=-1))
    return Log(question=question, shown=shown, conversation=conversation, clicked=clicked)


def compared(world: World, log: Log, seed: int) -> Comparison:
    """Return the estimates of A and B on a log; the seed is of the folds of the reward model."""
    slots = log.clicked.shape[1]
    rows = np.repeat(np.arange(len(log.question)), slots)
    propensity, of_a, of_b = (along_lists(each[log.question, log.shown].ravel(), rows) for each in world.propensities)
    reward, conversation = log.clicked.ravel().astype(np.float64), log.conversation[rows]
    shown, *expected = _features(world, log)
    predicted, *others = cross_fitted(shown, reward, conversation, expected, seed=seed)
    return compare(
        Logged(reward=reward, propensity=propensity, conversation=conversation, predicted=predicted),
        Target(probability=of_a, predicted=others[0]),
        Target(probability=of_b, predicted=others[1]),
    )


def _features(world: World, log: Log) -> list[Vector]:
    """Return features (t k, d') of what was shown, and expected ones of what A and B show, at every slot."""
    slots = log.clicked.shape[1]
    at_slots = world.features[:, world.lists]
    # (q, l) by policy: how probable a list is.
    expected = [np.einsum("ql,qlkd->qkd", each.prod(axis=-1), at_slots) for each in world.propensities[1:]]
    found = [at_slots[log.question, log.shown], *(each[log.question] for each in expected)]
    ranks = np.broadcast_to(np.eye(slots), (len(log.question), slots, slots))
    return [np.concatenate([each, ranks], axis=-1).reshape(len(log.question) * slots, -1) for each in found]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One log of one world, with the truth about A, B and A - B."""

    comparison: Comparison
    truth: tuple[float, float, float]

    def estimates(self, method: Method) -> tuple[Estimate, Estimate, Estimate]:
        """Return those of A, B and A - B."""
        found = self.comparison
        return found.a[method], found.b[method], found.difference[method]


def simulate(runs: int, seed: int, config: SimulationConfig, progress: Callable[[int, int], None]) -> list[Run]:
    """Return so many runs, each in a world of its own that depends on the seed and its number alone."""
    found = []
    for number in range(runs):
        generator = np.random.default_rng([seed, number])
        world = make_world(config, generator)
        comparison = compared(world, make_log(world, config, generator), number)
        _, a, b = world.click_rates().tolist()
        found.append(Run(comparison=comparison, truth=(a, b, a - b)))
        progress(number + 1, runs)
    return found


def simulation_report(runs: Sequence[Run]) -> dict[str, Any]:
    """Return by method how often intervals cover the truth, their widths, and how often the sign of A - B is right.

    The sign is looked at in runs whose estimated difference is over two of its standard errors.
    """
    overlaps = {"a": [run.comparison.overlap_a for run in runs], "b": [run.comparison.overlap_b for run in runs]}
    return {
        "runs": len(runs),
        "methods": {method: _of_method(runs, method) for method in METHODS},
        "true_click_rate": {"a": _mean(run.truth[0] for run in runs), "b": _mean(run.truth[1] for run in runs)},
        "true_difference": _mean(abs(run.truth[2]) for run in runs),
        "rows": _mean(each.rows for each in overlaps["a"]),
        "effective": {name: _mean(each.effective for each in found) for name, found in overlaps.items()},
        "effective_share": {name: _mean(each.effective_share for each in found) for name, found in overlaps.items()},
        "largest_weight": {name: _mean(each.largest_weight for each in found) for name, found in overlaps.items()},
        "warned": {name: _mean(bool(each.warnings) for each in found) for name, found in overlaps.items()},
    }


def _of_method(runs: Sequence[Run], method: Method) -> dict[str, Any]:
    low, value, high, error = (
        np.array([[_parts(each)[part] for each in run.estimates(method)] for run in runs]) for part in range(4)
    )
    truth = np.array([run.truth for run in runs])
    covered = (low <= truth) & (truth <= high)
    is_clear = np.abs(value[:, 2]) > 2 * error[:, 2]
    right = np.sign(value[:, 2]) == np.sign(truth[:, 2])
    return {
        "coverage": dict(zip(_JUDGED, covered.mean(axis=0).tolist(), strict=True)),
        "width": dict(zip(_JUDGED, (high - low).mean(axis=0).tolist(), strict=True)),
        "bias": dict(zip(_JUDGED, (value - truth).mean(axis=0).tolist(), strict=True)),
        "clear": int(is_clear.sum()),
        "sign_right": float(right[is_clear].mean()) if is_clear.any() else None,
    }


def _parts(estimate: Estimate) -> tuple[float, float, float, float]:
    return estimate.interval[0], estimate.value, estimate.interval[1], estimate.standard_error


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
