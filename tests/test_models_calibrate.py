import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibrate import DEFAULT, Calibration, CalibrationConfig, fit_calibration, from_json, to_json

CONFIG = CalibrationConfig()


def evidence(mean, count, seed, spread=0.1):
    return np.random.default_rng(seed).normal(mean, spread, count).astype(np.float32)


def fitted(config=CONFIG, **given):
    """A calibration of questions that are clearly apart, but for what is given."""
    groups = {
        "in_scope": evidence(0.9, 200, seed=1),
        "is_right": np.arange(200) % 10 != 0,
        "near": evidence(0.6, 200, seed=2),
        "far": evidence(0.3, 300, seed=3),
    }
    return fit_calibration(**(groups | given), config=config)


def test_probability_is_the_logistic_function_of_the_evidence():
    calibration = Calibration(slope=2.0, intercept=-1.0, threshold=0.5, origin="fitted", validation={})
    found = calibration.probability(np.array([0.5, 1.0, 0.0], dtype=np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])


@pytest.mark.filterwarnings("error")
def test_probability_of_any_evidence_is_between_0_and_1_without_a_warning():
    found = DEFAULT.probability(np.array([-np.inf, -1e9, -1.0, 0.0, 1.0, 1e9, np.inf], dtype=np.float32))
    assert found[0] == 0.0
    assert found[-1] == 1.0
    assert (np.diff(found) >= 0).all()


def test_with_too_few_questions_the_default_stays():
    fewest = CalibrationConfig(fewest=201)
    assert fitted(fewest) is DEFAULT
    assert fitted(CalibrationConfig(fewest=200)).origin == "fitted"


def test_where_no_answer_was_right_the_default_stays():
    assert fitted(is_right=np.zeros(200, dtype=bool)) is DEFAULT


def test_where_nothing_was_wrong_there_is_nothing_to_learn_and_the_default_stays():
    empty = np.empty(0, dtype=np.float32)
    assert fitted(is_right=np.ones(200, dtype=bool), near=empty, far=empty) is DEFAULT


def test_more_evidence_is_a_higher_probability_and_the_threshold_lies_between_in_scope_and_far():
    calibration = fitted()
    assert calibration.slope > 0
    in_scope, far = calibration.probability(np.array([0.9, 0.3], dtype=np.float32))
    assert far < calibration.threshold < in_scope


def test_questions_that_are_clearly_apart_are_answered_and_refused():
    validation = fitted().validation
    assert validation["coverage"] > 0.95
    assert validation["far_refused"] > 0.99
    assert (validation["in_scope"], validation["near_out_of_scope"]) == (200, 200)
    assert validation["accuracy"] == pytest.approx(0.9)


def test_the_probability_is_about_the_share_that_is_right():
    values = evidence(0.8, 4_000, seed=4, spread=0.2)
    is_right = np.random.default_rng(5).random(4_000) < 1 / (1 + np.exp(-(8 * values - 5)))
    empty = np.empty(0, dtype=np.float32)
    calibration = fitted(in_scope=values, is_right=is_right, near=empty, far=empty)
    probability = calibration.probability(values)
    for low in np.arange(0.2, 0.9, 0.1):
        bin_ = (probability >= low) & (probability < low + 0.1)
        assert abs(is_right[bin_].mean() - probability[bin_].mean()) < 0.08


def test_a_far_question_that_fits_like_a_right_answer_teaches_nothing():
    fitting = np.append(evidence(0.3, 300, seed=3), np.full(50, 0.95, dtype=np.float32))
    assert fitted(far=fitting) == fitted()


def test_in_scope_and_out_of_scope_weigh_the_same_whatever_their_numbers():
    once = evidence(0.3, 300, seed=3)
    many = fitted(far=np.tile(once, 5))
    assert many.threshold == pytest.approx(fitted(far=once).threshold, abs=0.02)
    assert many.slope == pytest.approx(fitted(far=once).slope, rel=0.02)


def test_the_threshold_is_the_lowest_with_next_to_the_most_right_answers_and_refusals():
    calibration = fitted()
    in_scope, far, near = evidence(0.9, 200, seed=1), evidence(0.3, 300, seed=3), evidence(0.6, 200, seed=2)
    is_right = np.arange(200) % 10 != 0

    def value(threshold):
        answered = calibration.probability(in_scope) >= threshold
        refused = [(calibration.probability(each) < threshold).mean() for each in (near, far)]
        share = CONFIG.near_weight
        return (answered & is_right).mean() + share * refused[0] + (1 - share) * refused[1]

    every = np.unique(calibration.probability(np.concatenate([in_scope, near, far])))
    best = max(value(each) for each in every)
    # A little of the best is given for answering more: any lower threshold costs more than that.
    assert best - 0.005 - 1e-6 <= value(calibration.threshold) <= best
    assert all(value(each) < best - 0.005 for each in every[every < calibration.threshold - 1e-6])


def test_near_questions_alone_are_enough_to_choose_a_threshold():
    calibration = fitted(far=np.empty(0, dtype=np.float32))
    assert 0 < calibration.threshold < 1
    assert calibration.validation["near_refused"] > 0.9
    assert calibration.validation["far_refused"] == 0.0


def test_the_same_evidence_gives_the_same_calibration():
    assert fitted() == fitted()


def test_similarity_to_what_is_out_of_scope_speaks_against_an_answer_where_it_tells_anything():
    inside, near, far = evidence(0.3, 200, seed=4), evidence(0.3, 200, seed=5), evidence(0.8, 300, seed=6)
    telling = fitted(off_topic=(inside, near, far))
    assert telling.off_topic < 0
    alike, strange = (telling.probability(np.array([0.6], dtype=np.float32), each) for each in (0.3, 0.8))
    assert strange < alike
    for useless in ((inside, near, far * 0 + 0.3), (far[:200], near, inside[:1].repeat(300))):
        assert fitted(off_topic=useless).off_topic == pytest.approx(0, abs=0.5)
    assert fitted(off_topic=(far[:200], near, inside[:1].repeat(300))).off_topic <= 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(-1.0, 2.0), st.floats(-1.0, 2.0))
def test_any_evidence_gives_a_finite_calibration_with_a_threshold_in_0_to_1(seed, inside, outside):
    calibration = fitted(in_scope=evidence(inside, 200, seed), far=evidence(outside, 100, seed + 1))
    assert np.isfinite([calibration.slope, calibration.intercept]).all()
    assert 0 <= calibration.threshold <= 1


def test_a_calibration_survives_json():
    calibration = fitted()
    assert from_json(json.loads(json.dumps(to_json(calibration)))) == calibration


def test_a_document_that_is_no_calibration_is_an_error():
    with pytest.raises(TypeError):
        from_json({"slope": 1.0, "temperature": 2.0})


def test_no_less_is_refused_than_the_floor_refused():
    generator = np.random.default_rng(0)
    in_scope, near, far = (generator.normal(mean, 0.2, 400).astype(np.float32) for mean in (1.0, 0.7, 0.5))
    given = {"in_scope": in_scope, "is_right": in_scope > 0.8, "near": near, "far": far, "config": CalibrationConfig()}
    plain = fit_calibration(**given)
    strict = replace(plain, validation=dict(plain.validation, near_refused=0.95, far_refused=0.99))
    raised = fit_calibration(**given, floor=strict)
    assert raised.threshold > plain.threshold
    share = CalibrationConfig().near_weight
    refused = share * raised.validation["near_refused"] + (1 - share) * raised.validation["far_refused"]
    assert share * 0.95 + (1 - share) * 0.99 <= refused < share * 0.95 + (1 - share) * 0.99 + 0.01
    lenient = replace(plain, validation=dict(plain.validation, near_refused=0.0, far_refused=0.0))
    assert fit_calibration(**given, floor=lenient) == plain
