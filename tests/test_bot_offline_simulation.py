"""The simulated worlds are what they say, and intervals cover their truth."""

from itertools import permutations

import numpy as np
import pytest
from cli_runner import frontdesk

from bot.offline_simulation import (
    SimulationConfig,
    make_log,
    make_world,
    simulate,
    simulation_report,
    slot_propensities,
)

SMALL = SimulationConfig(conversations=600)


@pytest.fixture(scope="module")
def world():
    return make_world(SMALL, np.random.default_rng(0))


def test_propensities_are_as_worked_by_hand():
    """Of three candidates, half of the slots explored; weights of the Plackett-Luce 4, 2, 1."""
    lists = np.array(list(permutations(range(3), 2)))
    found = slot_propensities(np.log([[4.0, 2.0, 1.0]]), lists, share=0.5, temperature=1.0)[0]
    assert found[0] == pytest.approx([0.5 * 4 / 7 + 0.5, 0.5 * 2 / 3 + 0.5])
    assert found[2] == pytest.approx([0.5 * 2 / 7, 0.5 * 4 / 5 + 0.5])
    assert found[3] == pytest.approx([0.5 * 2 / 7, 0.5 * 1 / 5])


def test_lists_of_every_policy_and_choices_of_every_slot_have_probabilities_that_sum_to_1(world):
    assert world.propensities.prod(axis=-1).sum(axis=-1) == pytest.approx(1.0)
    at_first = world.lists[:, 0] == np.arange(SMALL.candidates)[:, None]
    # Each first choice goes with as many lists as there are ways to go on.
    ways = at_first[0].sum()
    assert (world.propensities[..., 0] @ at_first.T / ways).sum(axis=-1) == pytest.approx(1.0)


def test_a_list_is_clicked_once_at_most(world):
    assert (world.clicks.sum(axis=-1) <= 1).all()
    log = make_log(world, SMALL, np.random.default_rng(1))
    assert (log.clicked.sum(axis=-1) <= 1).all()


def test_the_true_rate_of_the_logging_policy_is_what_a_large_log_shows(world):
    log = make_log(world, SimulationConfig(conversations=50_000), np.random.default_rng(1))
    assert log.clicked.mean() == pytest.approx(world.click_rates()[0], abs=0.003)


def test_intervals_cover_the_truth_and_clear_signs_are_right():
    found = simulation_report(simulate(200, 0, SMALL, lambda *_: None))["methods"]
    for method in ("snips", "dr"):
        for coverage in found[method]["coverage"].values():
            # Of 200 runs: three standard errors around 95 %.
            assert 0.90 <= coverage <= 0.996
        assert found[method]["sign_right"] >= 0.9


def test_without_exploration_in_the_log_too_little_overlap_is_warned_of():
    report = simulation_report(simulate(5, 0, SimulationConfig(conversations=200, share=0.02), lambda *_: None))
    assert report["warned"]["b"] == 1.0


def test_a_run_depends_on_the_seed_and_its_number_alone():
    first, second = (simulate(runs, 3, SMALL, lambda *_: None) for runs in (1, 2))
    assert first[0] == second[0]
    assert first[0] != second[1]


def test_the_command_tells_coverage_widths_and_signs():
    ran = frontdesk("evaluate", "offline", "--runs", 3, "--conversations", 200, "--seed", 5, "--json")
    assert (ran.code, ran.document["runs"], ran.document["seed"]) == (0, 3, 5)
    for method in ("ips", "snips", "dr"):
        assert set(ran.document["methods"][method]["coverage"]) == {"a", "b", "difference"}
    told = frontdesk("evaluate", "offline", "--runs", 3, "--conversations", 200, "--seed", 5)
    assert "coverage of 95 % intervals" in told.out
    assert frontdesk("evaluate", "offline", "--runs", 0).code == 2
