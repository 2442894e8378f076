import numpy as np
import pytest
from fakes_bot import SHOP, TRANSITIONS, assembled
from fakes_kb import pair

from bot.follow_ups import Asked, FollowUpConfig, FollowUps
from kb.types import Match, Transition

QUESTIONS = {each.pair_id: each.question for each in SHOP}


@pytest.fixture
def suggest(tmp_path):
    """Makes FollowUps over pairs; the shop's by default."""

    def make(pairs=SHOP, transitions=TRANSITIONS, **config):
        found = FollowUps(assembled(tmp_path, pairs).retriever, transitions, FollowUpConfig(**config))
        return Suggest(found)

    return make


class Suggest:
    """Suggestions after one answer, without some pairs."""

    def __init__(self, follow_ups):
        self.follow_ups = follow_ups

    def after(self, pair_id, without, **asked):
        return self.follow_ups.after(Asked(answered=(pair_id,), without=frozenset(without), **asked))

    def instead(self, matches, without, **asked):
        return self.follow_ups.instead(matches, Asked(without=frozenset(without), **asked))


def ids(follow_ups):
    return [each.pair_id for each in follow_ups]


def test_what_was_asked_next_most_often_comes_first(suggest):
    assert ids(suggest().after("return", {"return"}))[0] == "refund"


def test_a_transition_seen_once_weighs_less_than_one_seen_often(suggest):
    once = (Transition(from_pair="return", to_pair="wash", count=1),)
    often = (Transition(from_pair="return", to_pair="wash", count=50),)
    (rare,) = [each for each in suggest(transitions=once, count=8).after("return", ()) if each.pair_id == "wash"]
    (usual,) = [each for each in suggest(transitions=often, count=8).after("return", ()) if each.pair_id == "wash"]
    assert rare.relevance < usual.relevance
    assert rare.similarity == usual.similarity


def test_a_suggestion_has_the_question_of_its_pair_and_ranks_from_1(suggest):
    found = suggest().after("track", {"track"})
    assert [each.question for each in found] == [QUESTIONS[each.pair_id] for each in found]
    assert [each.rank for each in found] == [1, 2, 3]
    assert all(0 <= each.relevance <= 1 and each.propensity == 1.0 for each in found)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_as_many_are_suggested_as_are_configured(suggest, count):
    assert len(suggest(count=count).after("track", ())) == count


@pytest.mark.parametrize("pair_id", QUESTIONS)
def test_the_answer_itself_is_never_suggested(suggest, pair_id):
    assert pair_id not in ids(suggest(count=8).after(pair_id, ()))


def test_what_was_shown_before_is_not_suggested_again(suggest):
    shown = {"refund", "price"}
    assert not shown & set(ids(suggest(count=8).after("return", shown)))


def test_a_question_too_long_for_a_button_is_not_suggested(suggest):
    longest = len(QUESTIONS["refund"]) - 1
    assert "refund" not in ids(suggest(longest=longest, count=8).after("return", ()))
    assert "refund" in ids(suggest(longest=longest + 1, count=8).after("return", ()))


def test_two_questions_that_say_the_same_are_not_both_suggested(suggest):
    twins = (*SHOP, pair("When do I get my refund", "In a week.", pair_id="twin"))
    found = ids(suggest(twins, count=8).after("return", ()))
    assert len({"refund", "twin"} & set(found)) == 1


def test_a_transition_to_a_pair_that_is_gone_is_left_out(suggest):
    gone = (Transition(from_pair="return", to_pair="gone", count=9), *TRANSITIONS)
    found = ids(suggest(transitions=gone, count=8).after("return", ()))
    assert "gone" not in found
    assert "refund" in found


def test_a_transition_is_suggested_however_far_its_question_is(suggest):
    far = (Transition(from_pair="wash", to_pair="invoice", count=5),)
    assert ids(suggest(transitions=far, neighbours=1).after("wash", ()))[0] == "invoice"


def test_without_history_the_neighbours_are_suggested(suggest):
    assert ids(suggest(transitions=()).after("price", ()))[0] in {"time", "track"}


def test_of_one_pair_alone_nothing_is_suggested(suggest):
    assert suggest(SHOP[:1], transitions=()).after("track", ()) == ()


def test_instead_of_an_answer_the_nearest_questions_are_suggested(suggest, tmp_path):
    candidates = assembled(tmp_path).retriever.retrieve("what about delivery").candidates
    matches = [Match(candidate=each, relevance=0.1 / rank) for rank, each in enumerate(candidates, start=1)]
    found = suggest().instead(matches, without={"price"})
    assert ids(found)[0] == next(each.pair.pair_id for each in matches if each.pair.pair_id != "price")
    assert len(found) == 3
    assert "price" not in ids(found)


def test_instead_of_nothing_nothing_is_suggested(suggest):
    assert suggest().instead([], ()) == ()


def test_the_same_call_gives_the_same_suggestions(suggest):
    one = suggest()
    assert one.after("return", {"track"}) == one.after("return", {"track"}) == suggest().after("return", {"track"})


def test_what_is_not_answered_when_it_is_asked_is_not_suggested(suggest):
    one = suggest(count=8)
    asked = []

    def is_answered(question, vector):
        asked.append(question)
        return "" if "refund" in question else next(each.pair_id for each in SHOP if each.question == question)

    one.follow_ups.only_answered(is_answered)
    found = ids(one.after("return", ()))
    assert "refund" not in found
    assert found
    before = len(asked)
    assert ids(one.after("return", ())) == found
    assert len(asked) == before


def test_what_another_pair_answers_is_not_suggested(suggest):
    one = suggest(count=8)
    one.follow_ups.only_answered(lambda question, vector: "price")
    assert ids(one.after("return", ())) == ["price"]


def test_the_conversation_and_earlier_ones_count_and_not_the_last_answer_alone(suggest):
    history = (
        Transition(from_pair="return", to_pair="refund", count=5),
        Transition(from_pair="wash", to_pair="invoice", count=5),
    )
    assert ids(suggest(transitions=history).after("return", {"return"}))[0] == "refund"
    assert ids(suggest(transitions=history).after("wash", {"wash"}))[0] == "invoice"


def test_popular_questions_of_the_topic_are_looked_at_too(suggest):
    popular = (Transition(from_pair="wash", to_pair="refund", count=9),)
    few = {"neighbours": 1, "likely": 1, "count": 8}
    assert "refund" in ids(suggest(transitions=popular, **few).after("return", {"return"}))
    assert "refund" not in ids(suggest(transitions=popular, popular=0, **few).after("return", {"return"}))


def test_a_turn_without_an_id_explores_nothing_and_one_with_an_id_the_same_each_time(suggest):
    always = suggest(explore=1.0, temperature=10.0)
    ranked = ids(always.after("track", {"track"}))
    assert all(each.propensity == 1.0 and not each.chances for each in always.after("track", {"track"}))
    drawn = {turn: ids(always.after("track", {"track"}, turn_id=turn)) for turn in map(str, range(12))}
    assert any(found != ranked for found in drawn.values())
    assert drawn == {turn: ids(always.after("track", {"track"}, turn_id=turn)) for turn in drawn}


def test_the_chances_of_a_slot_sum_to_1_and_its_propensity_is_one_of_them(suggest):
    for turn in map(str, range(8)):
        shown = suggest(explore=0.3).after("track", {"track"}, turn_id=turn)
        taken = set()
        for each in shown:
            assert sum(each.chances.values()) == pytest.approx(1.0)
            assert each.chances[each.pair_id] == each.propensity
            assert not taken & set(each.chances)
            taken.add(each.pair_id)


def test_what_is_likelier_clicked_comes_first(suggest, tmp_path):
    class Clicks:
        def probability(self, asked, pair_ids):
            assert asked == ("track",)
            return np.array([0.9 if each == "wash" else 0.01 for each in pair_ids], dtype=np.float32)

    retriever = assembled(tmp_path).retriever
    found = FollowUps(retriever, TRANSITIONS, FollowUpConfig(), Clicks()).after(Asked(answered=("track",)))
    assert found[0].pair_id == "wash"
