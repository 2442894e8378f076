import numpy as np
import pytest
from fakes_encoder import FakeEncoder

from models.suggestion_relevance import Candidates, SuggestionRelevanceConfig, fit

THINGS = ["kettle", "saddle", "lantern", "anchor", "violin", "hammock", "compass", "teapot", "ladder", "mirror"]
SERVING = ["do you want reviews of the {}", "do you want to buy the {}"]
OTHERS = ["what kind of {} do you like", "what do you know of the {}"]
CONFIG = SuggestionRelevanceConfig(least_requests=2, folds=5)


def group(thing: str) -> Candidates:
    # What serves is said last, so that no order given helps.
    questions = [form.format(thing) for form in OTHERS + SERVING]
    vectors = FakeEncoder().encode([f"about the {thing}", *questions])
    return Candidates(request=f"about the {thing}", vector=vectors[0], questions=questions, vectors=vectors[1:])


def fitted(config=CONFIG):
    return fit([group(each) for each in THINGS], [np.array([0.0, 0.0, 1.0, 2.0])] * len(THINGS), config)


def test_how_it_is_asked_is_learned_and_holds_for_other_requests():
    model, _ = fitted()
    relevance = model.relevance(group("umbrella"))
    assert min(relevance[2:]) > max(relevance[:2])
    assert ((relevance >= 0) & (relevance <= 1)).all()


def test_what_serves_more_is_more_relevant():
    model, _ = fitted()
    relevance = model.relevance(group("umbrella"))
    assert relevance[3] > relevance[2]


def test_what_was_held_out_is_told_by_fits_without_it():
    model, held_out = fitted()
    assert [each.shape for each in held_out] == [(4,)] * len(THINGS)
    assert not np.allclose(held_out[0], model.relevance(group(THINGS[0])))


def test_a_fit_is_the_same_over_again():
    (first, told), (second, told_again) = fitted(), fitted()
    assert np.array_equal(first.relevance(group("umbrella")), second.relevance(group("umbrella")))
    assert all(np.array_equal(one, other) for one, other in zip(told, told_again, strict=True))


def test_relevance_does_not_depend_on_the_order_of_the_candidates():
    model, _ = fitted()
    whole = group("umbrella")
    turned = Candidates(
        request=whole.request, vector=whole.vector, questions=whole.questions[::-1], vectors=whole.vectors[::-1]
    )
    assert model.relevance(turned) == pytest.approx(model.relevance(whole)[::-1], rel=1e-5)


def test_relevance_says_how_often_such_candidates_serve():
    # With noise: a fifth of what is asked like the serving ones serves nothing.
    rng = np.random.default_rng(0)
    served = [np.array([0.0, 0.0, *(rng.random(2) < 0.8)]) for _ in range(60)]
    groups = [group(f"{thing}{at}") for at in range(6) for thing in THINGS]
    _, held_out = fit(groups, served, CONFIG)
    told, truth = np.concatenate(held_out), np.concatenate(served)
    assert told.mean() == pytest.approx(truth.mean(), abs=0.02)
    assert told[np.tile([False, False, True, True], 60)].mean() == pytest.approx(0.8, abs=0.08)


def test_nothing_is_learned_where_nothing_serves():
    with pytest.raises(ValueError, match="got 1"):
        fit([group("kettle"), group("saddle")], [np.zeros(4), np.array([0.0, 0.0, 0.0, 1.0])], CONFIG)


def test_two_requests_that_something_serves_are_enough():
    served = [np.zeros(4)] * 8 + [np.array([0.0, 0.0, 1.0, 1.0])] * 2
    model, held_out = fit([group(each) for each in THINGS], served, CONFIG)
    assert np.isfinite(np.concatenate([*held_out, model.relevance(group("umbrella"))])).all()
