import math

import pytest
from fakes_training import settings, tiny_encoder, tiny_matcher

from models.training.schedule import groups, rate, steps_of


def rates(steps, **config):
    return [rate(step, steps, settings(**config)) for step in range(steps)]


def test_the_learning_rate_rises_and_falls_by_equal_steps():
    assert rates(10, warm_up=0.2, decay="linear") == pytest.approx([0.5, 1, 1, *(left / 8 for left in range(7, 0, -1))])


def test_a_cosine_is_at_a_half_in_the_middle():
    found = rates(21, warm_up=0.0, decay="cosine")
    assert found[0] == 1
    assert found[11] == pytest.approx(0.5)
    assert found[-1] == pytest.approx((1 - math.cos(math.pi / 20)) / 2)


def test_without_decay_it_stays_where_it_rose_to():
    assert rates(6, warm_up=0.5, decay="none") == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])


def test_it_is_above_0_in_every_step():
    for steps in range(1, 30):
        assert min(rates(steps, warm_up=0.1, decay="linear")) > 0


def test_matrices_decay_and_biases_and_norms_do_not():
    named = list(tiny_encoder().named_parameters())
    decays = {id(each): group["weight_decay"] for group in groups(named, settings()) for each in group["params"]}
    assert {decays[id(each)] for name, each in named if name.endswith("bias") or "LayerNorm" in name} == {0.0}
    assert {decays[id(each)] for name, each in named if each.ndim > 1} == {0.01}
    assert len(decays) == len(named)


def test_each_layer_learns_slower_than_the_one_above_it():
    named = list(tiny_matcher().named_parameters())
    found = groups(named, settings(learning_rate=1.0, layer_decay=0.5))
    rate_of = {id(each): group["lr"] for group in found for each in group["params"]}
    by_name = {name: rate_of[id(each)] for name, each in named}
    assert {by_name[name] for name in by_name if "embeddings" in name} == {0.125}
    assert {by_name[name] for name in by_name if ".layer.0." in name} == {0.25}
    assert {by_name[name] for name in by_name if ".layer.1." in name} == {0.5}
    assert {by_name[name] for name in by_name if "classifier" in name or "pooler" in name} == {1.0}


def test_epochs_are_counted_within_the_fewest_and_the_most_steps():
    assert steps_of(settings(steps=500), 20) == 500
    assert steps_of(settings(steps=500, epochs=3, least_steps=10), 20) == 60
    assert steps_of(settings(steps=500, epochs=3, least_steps=100), 20) == 100
    assert steps_of(settings(steps=50, epochs=3, least_steps=10), 20) == 50
