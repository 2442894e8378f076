from itertools import pairwise

import numpy as np
import pytest
from fakes_bot import ASKED_SHOP, bot_over
from fakes_encoder import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st

from bot.attribution import AttributionConfig, words_that_mattered
from bot.config import Config
from kb.retriever import RetrievalConfig

EVIDENCE = {"invoice": 3.0, "pay": 1.0}


class WordJudge:
    """Relevance by the sum of what each word is worth, in log odds; remembers what it was asked."""

    def __init__(self, worth: dict[str, float] | None = None) -> None:
        self.worth = EVIDENCE if worth is None else worth
        self.asked: list[list[str]] = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        odds = [sum(value for word, value in self.worth.items() if word in text) for text in texts]
        return (1 / (1 + np.exp(-np.array(odds)))).astype(np.float32)


def shares(question, judge=None, **config):
    found = words_that_mattered(question, judge or WordJudge(), AttributionConfig(**config))
    return [(each.word, round(each.share, 3)) for each in found]


def test_a_words_share_is_what_the_pair_loses_without_it_as_part_of_all_that_is_lost():
    assert shares("can I pay by invoice") == [("can", 0), ("I", 0), ("pay", 0.25), ("by", 0), ("invoice", 0.75)]


def test_the_question_and_all_variants_are_judged_in_one_call():
    judge = WordJudge()
    words_that_mattered("pay  by invoice", judge)
    assert judge.asked == [["pay  by invoice", "by invoice", "pay invoice", "pay by"]]


def test_a_word_that_speaks_against_the_pair_has_no_share():
    assert shares("pay cash", WordJudge({"pay": 1.0, "cash": -2.0})) == [("pay", 1.0), ("cash", 0)]


def test_a_question_whose_words_change_nothing_has_no_share_anywhere():
    assert shares("how so", WordJudge({})) == [("how", 0), ("so", 0)]


@pytest.mark.parametrize(("question", "words"), [("", []), ("?!", []), ("  ", []), ("invoice?", [("invoice?", 1.0)])])
def test_a_question_of_one_word_is_all_that_word_and_nothing_has_none(question, words):
    judge = WordJudge()
    assert shares(question, judge) == words
    assert judge.asked == []


def test_punctuation_alone_is_no_word():
    assert [word for word, _ in shares("pay - by invoice ?")] == ["pay", "by", "invoice"]


def test_certainty_beyond_float32_is_still_told_apart():
    assert shares("pay invoice", WordJudge({"pay": 30.0, "invoice": 4.0}))[0] == ("pay", 1.0)


def test_text_without_spaces_is_taken_apart_by_characters_and_a_long_one_by_pairs():
    judge = WordJudge({"订单": 2.0})
    assert shares("订单在哪里", judge) == [("订", 0.5), ("单", 0.5), ("在", 0), ("哪", 0), ("里", 0)]
    long = "请问我的订单现在到底在哪里啊"
    assert shares(long, judge) == [
        ("请问", 0), ("我的", 0), ("订单", 1.0), ("现在", 0), ("到底", 0), ("在哪", 0), ("里啊", 0)
    ]  # fmt: skip


def test_words_of_two_scripts_are_told_apart():
    assert [word for word, _ in shares("我的iPhone坏了")] == ["我", "的", "iPhone", "坏", "了"]


def test_of_a_long_question_neighbouring_words_go_together():
    found = shares(" ".join(f"w{at}" for at in range(400)), most=24)
    assert len(found) == 24
    assert found[0][0] == " ".join(f"w{at}" for at in range(17))


@given(st.text(max_size=300), st.integers(1, 30))
def test_there_are_never_more_parts_than_asked_for_and_they_stand_in_the_questions_order(question, most):
    found = words_that_mattered(question, WordJudge(), AttributionConfig(most=most))
    assert len(found) <= most
    places = [0]
    for each in found:
        places.append(question.index(each.word, places[-1]))
    assert all(before <= after for before, after in pairwise(places))
    assert sum(each.share for each in found) == pytest.approx(1) or not any(each.share for each in found)


# Of a bot


def test_a_bot_tells_the_word_by_which_a_pair_was_found(tmp_path):
    bot = bot_over(tmp_path)
    found = bot.attribute("forgotten password wobble", "password")
    assert max(found.words, key=lambda each: each.share).word == "password"
    assert (found.pair_id, found.snapshot) == ("password", bot.snapshot)


def test_a_bot_encodes_all_variants_at_once(tmp_path):
    encoder = FakeEncoder(dimension=512)
    bot = bot_over(tmp_path, encoder=encoder)
    encoder.batches.clear()
    bot.attribute("pay by invoice", "invoice")
    assert encoder.batches == [["pay by invoice", "by invoice", "pay invoice", "pay by"]]


def test_a_pair_that_a_variant_does_not_find_has_lost_as_much_as_the_last_one_found(tmp_path):
    bot = bot_over(tmp_path, config=Config(retrieval=RetrievalConfig(top_k=1)))
    assert bot.rank("wobble")[0].pair.pair_id != "password"
    found = bot.attribute("password wobble", "password")
    assert [(each.word, each.share) for each in found.words] == [("password", 1.0), ("wobble", 0.0)]


def test_of_a_pair_that_is_not_known_nothing_is_told(tmp_path):
    assert bot_over(tmp_path).attribute("can I pay by invoice", "gone").words == ()


def test_the_same_question_gets_the_same_attribution(tmp_path):
    bot = bot_over(tmp_path, ASKED_SHOP)
    assert bot.attribute("how do I return this", "return") == bot.attribute("how do I return this", "return")
