import pytest
from fakes_bot import SHOP, bot_over

from bot.playground import Trial, try_selection
from kb.errors import MessageError


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("shop"))


def trial(question="How much is delivery?", **settings):
    return Trial(**{"question": question, "strategy": "mmr", "k": 3} | settings)


def test_the_chosen_come_first_in_their_order_and_the_others_by_relevance(shop):
    found = try_selection(shop, trial())
    assert [each.rank for each in found] == [1, 2, 3] + [0] * (len(SHOP) - 3)
    rest = [each.relevance for each in found[3:]]
    assert rest == sorted(rest, reverse=True)
    assert found[0].pair_id == "price"


def test_without_diversity_everything_is_as_by_relevance_alone(shop):
    found = try_selection(shop, trial(diversity=0.0))
    assert all(each.rank == each.rank_by_relevance for each in found)
    assert [each.reason for each in found[:2]] == ["the most relevant", "chosen, as by relevance alone"]


def test_what_diversity_alone_brought_in_says_so_and_so_does_what_gave_way(shop):
    found = try_selection(shop, trial("How long does delivery take?", diversity=1.0, k=2))
    brought_in = [each for each in found if each.rank and not each.rank_by_relevance]
    gave_way = [each for each in found if not each.rank and each.rank_by_relevance]
    assert len(brought_in) == len(gave_way) == 1
    assert "for what it adds" in brought_in[0].reason
    assert gave_way[0].reason == "would be chosen by relevance alone"


def test_the_nearest_is_one_of_those_chosen_before(shop):
    first, second, *others = try_selection(shop, trial())
    assert (first.nearest, first.nearest_similarity) == ("", 0.0)
    assert second.nearest == first.question
    assert all(each.nearest for each in others)


def test_a_near_duplicate_names_what_it_repeats(shop):
    found = try_selection(shop, trial(duplicate_similarity=0.0))
    chosen = {each.question for each in found if each.rank}
    repeated = [each.reason for each in found if each.reason.startswith("says the same as")]
    assert repeated
    assert all(reason.split("“")[1].rstrip("”") in chosen for reason in repeated)


def test_a_knowledge_base_without_pairs_has_no_candidates(tmp_path):
    assert try_selection(bot_over(tmp_path, ()), trial()) == []


def test_nothing_to_read_and_a_diversity_that_is_none_are_refused(shop):
    with pytest.raises(MessageError):
        try_selection(shop, trial(" "))
    with pytest.raises(ValueError, match="diversity"):
        try_selection(shop, trial(diversity=1.5))
