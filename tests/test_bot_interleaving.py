from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.interleaving import preference, team_draft

RANKINGS = st.lists(st.integers(0, 6), unique=True, max_size=5)


def drafted(a, b, k, seed=0):
    return team_draft(a, b, k, np.random.default_rng(seed))


def test_two_rankings_without_a_common_item_take_turns():
    for seed in range(20):
        found = drafted("abc", "xyz", 4, seed)
        assert set(found.teams[:2]) == set(found.teams[2:]) == {"A", "B"}
        of = {team: [item for item, by in zip(found.items, found.teams, strict=True) if by == team] for team in "AB"}
        assert of == {"A": ["a", "b"], "B": ["x", "y"]}
        assert found.propensities == (0.5, 1.0, 0.5, 1.0)


def test_equal_rankings_are_shown_as_they_are_and_credited_by_the_coin():
    found = [drafted("abc", "abc", 3, seed) for seed in range(200)]
    assert {each.items for each in found} == {("a", "b", "c")}
    assert {each.propensities for each in found} == {(1.0, 1.0, 1.0)}
    assert Counter(each.teams[0] for each in found)["A"] == pytest.approx(100, abs=30)


def test_a_ranking_that_is_exhausted_leaves_the_rest_to_the_other():
    found = drafted("a", "xyz", 5)
    assert sorted(found.items) == ["a", "x", "y", "z"]
    assert found.teams.count("A") == 1


@pytest.mark.parametrize(("a", "b", "k"), [("", "", 3), ("ab", "cd", 0)])
def test_nothing_to_pick_gives_an_empty_list(a, b, k):
    found = drafted(a, b, k)
    assert (found.items, found.teams, found.propensities) == ((), (), ())


def test_the_seed_decides():
    assert drafted("abcd", "dcba", 4, 3) == drafted("abcd", "dcba", 4, 3)
    assert len({drafted("abcd", "dcba", 4, seed).items for seed in range(20)}) > 1


@given(RANKINGS, RANKINGS, st.integers(0, 6), st.integers(0, 100))
def test_each_item_is_shown_once_and_as_many_as_there_are(a, b, k, seed):
    found = drafted(a, b, k, seed)
    assert len(found.items) == len(set(found.items)) == min(k, len({*a, *b}))
    assert set(found.items) <= {*a, *b}
    assert all(item in (a if team == "A" else b) for item, team in zip(found.items, found.teams, strict=True))


def test_propensities_are_how_often_a_list_is_shown():
    """With a common item on top the third slot depends on whose it was, which nobody sees from the items."""
    seen = [drafted("mab", "mxa", 3, seed) for seed in range(4000)]
    often = Counter(each.items for each in seen)
    told = {each.items: float(np.prod(each.propensities)) for each in seen}
    assert sum(told.values()) == pytest.approx(1.0)
    for items, count in often.items():
        assert count / 4000 == pytest.approx(told[items], abs=0.03)


@pytest.mark.parametrize(("teams", "preferred"), [("A", 1), ("B", -1), ("AB", 0), ("", 0), ("ABB", -1)])
def test_the_team_with_more_clicks_is_preferred(teams, preferred):
    assert preference(list(teams)) == preferred


def test_clicks_on_what_is_relevant_prefer_the_better_ranking():
    generator = np.random.default_rng(0)
    credit = []
    for _ in range(300):
        found = team_draft([0, 1, 2, 3], [3, 2, 1, 0], 3, generator)
        clicked = [
            team
            for item, team in zip(found.items, found.teams, strict=True)
            if generator.random() < (0.6, 0.3, 0.1, 0.0)[item]
        ]
        credit.append(preference(clicked))
    assert credit.count(1) > 1.5 * credit.count(-1)
