from dataclasses import replace

import numpy as np
import pytest
from fakes_encoder import FakeEncoder
from suggestion_files import write_folder

from bot import suggestion_runs
from bot.selector import STRATEGIES
from bot.suggestion_data import read_bank, read_requests
from bot.suggestion_report import suggestion_report
from bot.suggestion_runs import MEASURES, SuggestionConfig, cases_of, learn, measures, selected, strategies
from kb.errors import InputError, TrainingDataError
from models.suggestion_relevance import SuggestionRelevanceConfig

CONFIG = SuggestionConfig(
    diversities=(0.0, 0.5, 1.0),
    relevance=SuggestionRelevanceConfig(least_requests=2, folds=3),
)
WIDE = FakeEncoder(dimension=256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("suggestions"))


@pytest.fixture(scope="module")
def cases(folder):
    return cases_of(read_requests(folder, "train"), read_bank(folder), WIDE.encode, CONFIG)


@pytest.fixture(scope="module")
def report(folder):
    return suggestion_report(folder, "test", WIDE.encode, CONFIG, lambda *told: None)


def test_candidates_are_the_nearest_of_the_whole_bank(cases):
    case = cases[0]
    cosines = case.candidates.vectors @ case.candidates.vector
    assert len(case.places) == 50
    assert (np.diff(cosines) <= 1e-6).all()
    assert set(case.candidates.questions[:6]) >= {"do you want reviews of the kettle"}
    assert case.serves[list(case.places).index(2)].tolist() == [False, True, True]


def test_a_bank_smaller_than_the_candidates_is_taken_whole(folder):
    bank = read_bank(folder)
    few = replace(bank, ids=bank.ids[:4], texts=bank.texts[:4])
    case = cases_of(read_requests(folder, "dev")[:1], few, WIDE.encode, CONFIG)[0]
    chosen = selected([case], [np.ones(4, dtype=np.float32)], strategies()["mmr"], 0.3, 5)
    assert sorted(chosen[0]) == [0, 1, 2, 3]
    assert measures([case], chosen, 5)[0][:2].tolist() == [0.0, 0.0]


def test_at_diversity_0_every_strategy_of_ours_is_relevance_alone(cases):
    relevance = [np.linspace(1, 0.1, len(case.places), dtype=np.float32) for case in cases]
    for name in STRATEGIES:
        chosen = selected(cases, relevance, strategies()[name], 0.0, 5)
        assert all(each.tolist() == [0, 1, 2, 3, 4] for each in chosen), name


def test_without_pyversity_there_are_our_strategies_alone(monkeypatch):
    monkeypatch.setattr(suggestion_runs, "find_spec", lambda name: None)
    assert set(strategies()) == set(STRATEGIES)


def test_what_is_chosen_is_the_most_different_that_costs_little(cases):
    learned = learn(cases, CONFIG, lambda done, total: None)
    floor, curve = learned.curves["relevance"][0], learned.curves["mmr"]
    cheap = (curve[:, :2] >= 0.99 * floor[:2]).all(axis=1)
    chosen = CONFIG.diversities.index(learned.by_strategy["mmr"].diversity)
    assert cheap[chosen]
    assert curve[chosen, 2] == curve[cheap, 2].max()
    assert learned.curves[learned.default.name][:, 2].max() >= floor[2]


def test_where_diversity_may_cost_anything_the_most_is_taken(cases):
    learned = learn(cases, replace(CONFIG, most_loss=1.0), lambda done, total: None)
    curve = learned.curves["mmr"]
    assert learned.by_strategy["mmr"].diversity == CONFIG.diversities[int(np.argmax(curve[:, 2]))]


def test_what_can_not_be_learned_from_is_refused(cases):
    nothing = [replace(case, serves=np.zeros_like(case.serves)) for case in cases]
    with pytest.raises(TrainingDataError, match="candidates that serve something"):
        learn(nothing, CONFIG, lambda done, total: None)


def test_the_report_has_every_strategy_by_name_and_relevance_alone(report):
    names = {*STRATEGIES, "relevance_only", "untrained_relevance_only", "pyversity_dpp"}
    assert all(set(MEASURES) <= set(report[name]) for name in names)
    assert report["alpha_ndcg_at_5"] == report[report["strategy"]]["alpha_ndcg_at_5"]
    assert (report["n"], report["n_served"], report["learned_from"]) == (5, 5, ["train", "dev"])


def test_what_was_learned_serves_more_than_similarity_alone(report):
    assert report["relevance_only"]["alpha_ndcg_at_5"] > report["untrained_relevance_only"]["alpha_ndcg_at_5"]


def test_the_gain_is_the_difference_to_relevance_alone(report):
    for name in MEASURES:
        found, alone = report["gain"][name], report["relevance_only"][name]
        assert found["difference"] == pytest.approx(report[name] - alone)
        assert found["relative"] == pytest.approx(found["difference"] / alone)
        assert found["interval"][0] <= found["difference"] <= found["interval"][1]


def test_dev_is_reported_by_what_was_learned_on_train_alone(folder):
    report = suggestion_report(folder, "dev", WIDE.encode, CONFIG, lambda *told: None)
    assert (report["learned_from"], report["n"]) == (["train"], 5)


def test_a_report_does_not_depend_on_the_requests_beside(folder, tmp_path):
    # What test holds must not be learned from: the relevance of dev requests stays with another test file.
    before = suggestion_report(folder, "test", WIDE.encode, CONFIG, lambda *told: None)["trade_off"]["chosen_on"]
    other = write_folder(tmp_path / "other")
    (other / "test.jsonl").write_text((other / "dev.jsonl").read_text())
    after = suggestion_report(other, "test", WIDE.encode, CONFIG, lambda *told: None)["trade_off"]["chosen_on"]
    assert before == after


def test_a_split_that_there_is_none_of_is_refused(folder):
    with pytest.raises(InputError, match="train, dev, test"):
        suggestion_report(folder, "valid", WIDE.encode, CONFIG, lambda *told: None)


def test_a_split_without_judgements_is_refused(folder, tmp_path):
    other = write_folder(tmp_path / "other")
    (other / "test.jsonl").write_text('{"request": "x", "facets": {"a": "b"}, "questions": []}')
    with pytest.raises(InputError, match="judgements"):
        suggestion_report(other, "test", WIDE.encode, CONFIG, lambda *told: None)
