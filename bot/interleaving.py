"""Team-draft interleaving: two rankings in one list, and whose picks are clicked (Radlinski, Kurup & Joachims 2008).

As captains pick players: who has fewer picks next, a coin decides where both have as many, and takes the best of its
ranking that is not yet there. Whose ranking is better gets more clicks, by the same customer on the same list, so that
far fewer conversations are needed than for a split of them. A click is credited to the team that picked what it hit.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

Team = Literal["A", "B"]
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drafted(Generic[Item]):
    """The mixed list (k,), who picked each, and the probability of each at its place, given those above it."""

    items: tuple[Item, ...]
    teams: tuple[Team, ...]
    propensities: tuple[float, ...]


def team_draft(a: Sequence[Item], b: Sequence[Item], k: int, generator: np.random.Generator) -> Drafted[Item]:
    """Return up to k items of two rankings, best first, drafted into one list.

    What both would pick next is shown whoever picks, and credited to whose turn it is.
    """
    items: list[Item] = []
    teams: list[Team] = []
    propensities: list[float] = []
    # By how many A has picked more than B: as drawn, and how probable each lead is for who sees the items alone.
    lead, leads = 0, {0: 1.0}
    while len(items) < k and (picks := list(_picks(a, b, items, lead))):
        team, picked, _ = picks[int(generator.integers(len(picks)))]
        after: dict[int, float] = defaultdict(float)
        for before, probability in leads.items():
            for each, item, chance in _picks(a, b, items, before):
                if item == picked:
                    after[_moved(before, each)] += probability * chance
        propensity = sum(after.values())
        leads = {each: probability / propensity for each, probability in after.items()}
        lead = _moved(lead, team)
        items.append(picked)
        teams.append(team)
        propensities.append(min(1.0, propensity))
    return Drafted(items=tuple(items), teams=tuple(teams), propensities=tuple(propensities))


def preference(teams: Sequence[Team]) -> int:
    """Return whom the clicks of a conversation prefer, given the team of each: 1 is A, -1 is B, 0 neither."""
    credit = teams.count("A") - teams.count("B")
    return (credit > 0) - (credit < 0)


def _picks(
    a: Sequence[Item], b: Sequence[Item], shown: Sequence[Item], lead: int
) -> Iterator[tuple[Team, Item, float]]:
    """Yield who may pick next, what, and with which probability; nobody where nothing is left."""
    left: dict[Team, Item] = {}
    rankings: tuple[tuple[Team, Sequence[Item]], ...] = (("A", a), ("B", b))
    for team, ranking in rankings:
        for item in ranking:
            if item not in shown:
                left[team] = item
                break
    if len(left) == 2 and lead:
        behind: Team = "B" if lead > 0 else "A"
        left = {behind: left[behind]}
    for team, item in left.items():
        yield team, item, 1 / len(left)


def _moved(lead: int, team: Team) -> int:
    return lead + (1 if team == "A" else -1)
