import json

import pytest
from fakes_bot import SHOP, bot_over

from bot.labelled import Labelled
from bot.robustness import Disturbance, checked, disturbed, hits, robustness_report
from kb.errors import InputError

QUESTIONS = [Labelled(question=each.question, right=frozenset({each.pair_id})) for each in SHOP]
STRANGE = [Labelled(question="is it raining in lisbon", right=frozenset())]
HOW = Disturbance(seed=3)


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("bot"))


@pytest.fixture(scope="module")
def report(bot):
    return robustness_report(bot, [*QUESTIONS, *STRANGE], HOW)


def test_a_question_is_disturbed_alike_whatever_others_are_asked():
    assert disturbed(QUESTIONS, HOW)[:3] == disturbed(QUESTIONS[:3], HOW)
    assert [each.right for each in disturbed(QUESTIONS, HOW)] == [each.right for each in QUESTIONS]


def test_the_report_has_what_is_promised_and_is_json(report):
    promised = {"n", "share", "accuracy", "accuracy_disturbed", "drop", "intervals", "by_kind", "by_share", "examples"}
    assert promised | {"n_oos", "oos_recall", "oos_recall_disturbed"} == set(report)
    assert set(report["by_kind"]) == {"typos", "keyboard", "spaces", "accents", "casing"}
    assert set(report["by_share"]) == {"0.05", "0.15"}
    assert json.dumps(report, allow_nan=False)


def test_accuracy_is_of_the_questions_in_scope_and_the_drop_is_their_difference(report):
    assert (report["n"], report["n_oos"]) == (len(SHOP), 1)
    assert report["accuracy"] == 1.0
    assert report["drop"] == pytest.approx(report["accuracy"] - report["accuracy_disturbed"])
    low, high = report["intervals"]["drop"]
    assert low <= report["drop"] <= high


def test_what_was_lost_is_told(bot, report):
    typed = disturbed(QUESTIONS, HOW)
    lost = [each.question for each, hit in zip(typed, hits(bot, typed), strict=True) if not hit]
    assert [each["disturbed"] for each in report["examples"]] == lost


def test_a_bot_that_knows_the_questions_by_other_letters_loses_nothing_by_casing(report):
    assert report["by_kind"]["casing"]["drop"] == 0.0


def test_without_questions_out_of_scope_nothing_is_told_of_them(bot):
    assert "oos_recall" not in robustness_report(bot, QUESTIONS[:2], Disturbance(kinds=("casing",)))


def test_without_questions_in_scope_there_is_nothing_to_measure(bot):
    with pytest.raises(InputError, match="questions in scope"):
        robustness_report(bot, STRANGE, HOW)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        (Disturbance(kinds=("noise",)), "typos"),
        (Disturbance(kinds=()), "none"),
        (Disturbance(share=0.0), "--share"),
        (Disturbance(share=1.5), "--share"),
        (Disturbance(share=float("nan")), "--share"),
    ],
)
def test_what_can_not_be_made_is_refused(how, named):
    with pytest.raises(InputError, match=named):
        checked(how)


def test_ranking_many_is_ranking_each(bot):
    texts = [each.question for each in disturbed(QUESTIONS, HOW)]
    one_by_one = [[(match.pair.pair_id, pytest.approx(match.relevance)) for match in bot.rank(text)] for text in texts]
    assert [[(each.pair.pair_id, each.relevance) for each in found] for found in bot.rank_all(texts)] == one_by_one


def test_a_knowledge_base_without_pairs_ranks_nothing(tmp_path):
    assert bot_over(tmp_path, ()).rank_all(["anything"]) == [[]]
