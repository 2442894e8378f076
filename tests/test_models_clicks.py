import json

import numpy as np
import pytest

from kb.errors import ModelError
from models.click_file import load_clicks, save_clicks
from models.clicks import Catalogue, ClickConfig, Rates, Shown, fit_clicks

IDS = tuple(f"p{at}" for at in range(12))


def catalogue():
    vectors = np.random.default_rng(7).normal(size=(len(IDS), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    topics = {each: "a" if at < 6 else "b" for at, each in enumerate(IDS)}
    return Catalogue(vectors=dict(zip(IDS, vectors, strict=True)), topics=topics, dimension=8)


def log(count, attraction, theta=(1.0, 0.5, 0.25), seed=0):
    """Impressions of `count` replies: three random suggestions each; `attraction` by pair."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        after, *suggested = rng.permutation(len(IDS))[:4]
        for rank, at in enumerate(suggested, start=1):
            clicked = rng.random() < theta[rank - 1] * attraction[at]
            found.append(
                Shown(conversation=str(number), after=IDS[after], pair_id=IDS[at], rank=rank, clicked=bool(clicked))
            )
    return found


ATTRACTION = np.linspace(0.05, 0.7, len(IDS))


def test_positions_are_told_from_attraction():
    model = fit_clicks(log(2_000, ATTRACTION), catalogue())
    assert model.examination[0] == 1.0
    assert model.examination == pytest.approx([1.0, 0.5, 0.25], abs=0.06)
    found = model.attraction(["p0"] * 11, IDS[1:])
    assert np.corrcoef(found, ATTRACTION[1:])[0, 1] > 0.95
    assert found == pytest.approx(ATTRACTION[1:], abs=0.12)


def test_a_pair_that_stood_below_is_not_held_for_worse():
    # p1 was shown first alone, p2 third alone; both attract half of those who look.
    rng = np.random.default_rng(0)
    shown = []
    for number in range(900):
        hits = rng.random(3) < np.array([1.0, 0.5, 0.25]) * 0.5
        for rank, pair_id in enumerate(("p1", "p3" if number % 2 else "p1", "p2"), start=1):
            shown.append(
                Shown(conversation=str(number), after="p0", pair_id=pair_id, rank=rank, clicked=bool(hits[rank - 1]))
            )
    raw = {p: np.mean([s.clicked for s in shown if s.pair_id == p]) for p in ("p1", "p2")}
    first, third = fit_clicks(shown, catalogue()).attraction(["p0", "p0"], ["p1", "p2"])
    assert raw["p2"] < 0.5 * raw["p1"]
    assert third > 0.6 * first


def test_with_few_impressions_only_smoothed_rates_count_and_without_clicks_there_is_no_model():
    few = fit_clicks(log(40, ATTRACTION), catalogue())
    assert not len(few.weights)
    assert ((few.attraction(["p0"] * 11, IDS[1:]) > 0) & (few.attraction(["p0"] * 11, IDS[1:]) < 1)).all()
    assert fit_clicks(log(40, np.zeros(len(IDS))), catalogue()) is None
    assert fit_clicks([], catalogue()) is None


def test_rates_are_smoothed_towards_the_more_general_by_hand():
    shown = [Shown(conversation="c", after="p0", pair_id="p1", rank=1, clicked=True)]
    rates = Rates(shown, np.ones(1), {"p0": "a", "p1": "a", "p2": "a"}, prior=4.0)
    # All: (1 + 1) / (1 + 10) = .1818. Topic: (1 + 4·.1818) / 5 = .3455. Pair: (1 + 4·.3455) / 5 = .4764.
    pair, both, topic, topics = rates.of(["p0"], ["p1"])[:, 0]
    assert (topic, pair) == (pytest.approx(0.3455, abs=1e-4), pytest.approx(0.4764, abs=1e-4))
    assert both == pytest.approx((1 + 4 * pair) / 5)
    assert topics == pytest.approx((1 + 4 * topic) / 5)
    assert rates.of(["p0"], ["p2"])[0, 0] == pytest.approx(topic)
    # Without its own click it knows nothing of it.
    assert rates.of(["p0"], ["p1"], [(1.0, 1.0)])[0, 0] == pytest.approx(0.1)


def test_predicted_clicks_are_as_many_as_there_are():
    model = fit_clicks(log(2_000, ATTRACTION), catalogue())
    fresh = log(2_000, ATTRACTION, seed=5)
    chance = model.click_probability(fresh)
    for rank in (1, 2, 3):
        at = [number for number, each in enumerate(fresh) if each.rank == rank]
        assert chance[at].mean() == pytest.approx(np.mean([fresh[each].clicked for each in at]), abs=0.03)


def test_pairs_and_ranks_that_were_never_seen_have_a_probability():
    model = fit_clicks(log(800, ATTRACTION), catalogue())
    assert 0 < model.attraction(["gone"], ["never seen"])[0] < 1
    beyond = Shown(conversation="c", after="p0", pair_id="p1", rank=9, clicked=False)
    assert 0 < model.click_probability([beyond])[0] < 1
    assert model.probability((), ["p1", "p2"]).shape == (2,)


@pytest.mark.parametrize("count", [40, 300, 900])
def test_a_saved_model_tells_the_same(tmp_path, count):
    model = fit_clicks(log(count, ATTRACTION), catalogue())
    save_clicks(model, tmp_path / "clicks.json", encoder_id="e", impressions=3 * count)
    found, seal = load_clicks(tmp_path / "clicks.json", catalogue(), "e")
    assert len(seal) == 64
    given = (["p0"] * 11, IDS[1:])
    assert (found.attraction(*given) == model.attraction(*given)).all()
    assert (found.examination == model.examination).all()
    assert [each.name for each in tmp_path.iterdir()] == ["clicks.json"]


def test_a_file_of_another_encoder_does_not_count_where_vectors_do(tmp_path):
    for count, counts in ((300, True), (900, False)):
        save_clicks(fit_clicks(log(count, ATTRACTION), catalogue()), tmp_path / "c", encoder_id="e", impressions=1)
        assert (load_clicks(tmp_path / "c", catalogue(), "other") is not None) is counts
    assert load_clicks(tmp_path / "none", catalogue(), "e") is None


def test_a_file_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "clicks.json"
    save_clicks(fit_clicks(log(40, ATTRACTION), catalogue()), path, encoder_id="e", impressions=120)
    document = json.loads(path.read_text())
    for text in (json.dumps(document | {"prior": 9}), json.dumps(document)[:-20], "[]"):
        path.write_text(text)
        with pytest.raises(ModelError, match="frontdesk clicks"):
            load_clicks(path, catalogue(), "e")


def test_texts_count_as_one_more_feature():
    shown = log(800, ATTRACTION)
    place = {each: at for at, each in enumerate(IDS)}

    def texts(pairs):
        return np.array([np.log(ATTRACTION[place[s]] / (1 - ATTRACTION[place[s]])) for _, s in pairs], dtype=np.float32)

    told = fit_clicks(shown, catalogue(), ClickConfig(vectors_from=10**6), texts)
    alone = fit_clicks(shown, catalogue(), ClickConfig(vectors_from=10**6))

    def error(model):
        return np.abs(model.attraction(["p0"] * 11, IDS[1:]) - ATTRACTION[1:]).mean()

    assert error(told) < error(alone)
    with pytest.raises(ValueError, match="without a text model"):
        save_clicks(told, None, encoder_id="e", impressions=1)
