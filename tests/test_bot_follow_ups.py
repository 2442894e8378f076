import pytest
from fakes_bot import SHOP, TRANSITIONS, assembled
from fakes_kb import pair

from bot.follow_ups import FollowUpConfig, FollowUps
from kb.types import Match, Transition

QUESTIONS = {each.pair_id: each.question for each in SHOP}


@pytest.fixture
def suggest(tmp_path):
    """Makes FollowUps over pairs; the shop's by default."""

    def make(pairs=SHOP, transitions=TRANSITIONS, **config):
        return FollowUps(assembled(tmp_path, pairs).retriever, transitions, FollowUpConfig(**config))

    return make


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
    assert ids(suggest(transitions=far, neighbours=1).after("wash", ())) == ["invoice"]


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
