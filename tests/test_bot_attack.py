import pytest
from fakes_bot import SHOP, bot_over
from fakes_kb import pair

from bot.attack import AttackConfig, attack
from bot.labelled import Labelled

WASH = tuple(pair(f"Can I wash a {what}?", "Yes.", pair_id=what) for what in ("coat", "boot", "cat", "goat"))
"""Each a letter away from another."""
PAIRS = (*SHOP, *WASH)
QUESTIONS = [Labelled(question=each.question, right=frozenset({each.pair_id})) for each in (*WASH, SHOP[0])]
CONFIG = AttackConfig(variants=20)


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("bot"), PAIRS)


@pytest.fixture(scope="module")
def found(bot):
    return attack(bot, QUESTIONS, 5, CONFIG)


def test_more_edits_flip_no_fewer_answers(found):
    shares = list(found["flipped"].values())
    assert list(found["flipped"]) == ["1", "2", "3"]
    assert shares == sorted(shares)
    assert found["n"] == 5
    assert len(found["examples"]) == shares[-1] * 5


def test_every_example_was_right_and_is_answered_otherwise(bot, found):
    assert found["examples"]
    for each in found["examples"]:
        assert bot.rank(each["question"])[0].pair.pair_id == each["right"]
        assert bot.rank(each["disturbed"])[0].pair.pair_id == each["found"] != each["right"]
        assert abs(len(each["disturbed"]) - len(each["question"])) <= each["edits"] <= 3


def test_the_same_seed_attacks_alike(bot, found):
    assert attack(bot, QUESTIONS, 5, CONFIG) == found


def test_only_right_answers_are_attacked(bot):
    wrong = [Labelled(question=each.question, right=frozenset({"another"})) for each in QUESTIONS]
    told = []
    assert attack(bot, wrong, 5, CONFIG, lambda *each: told.append(each))["n"] == 0
    assert told == []


def test_a_question_without_words_to_edit_is_not_flipped(bot):
    right = bot.rank("I?")[0].pair.pair_id
    found = attack(bot, [Labelled(question="I?", right=frozenset({right}))], 1, CONFIG)
    assert (found["n"], found["examples"]) == (1, [])
