import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_rows import WORDS, near

from models.training.grouping import normalised, question_groups


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my order?", "  where is MY order !!"),
        ("Ｗｈｅｒｅ is my order", "where is my order"),
        ("Can I return a tent", "a tent can I return"),
        ("how do i change my delivery address", "how do i change my delivry address"),
        ("can i please return the tent", "can i return the tent"),
        ("don't send it", "dont send it"),
        ("蚂蚁花呗怎么提前还款", "蚂蚁花呗怎么样提前还款"),
    ],
)
def test_questions_that_are_nearly_equal_are_one_group(one, other):
    assert len(set(question_groups([one, other, "an unrelated matter"]))) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("can i return a tent", "can i rent a tent"),
        ("change my delivery address", "change my billing address"),
        ("花呗怎么还款", "借呗额度多少"),
        ("???", "!"),
    ],
)
def test_questions_that_say_something_else_are_two(one, other):
    assert len(set(question_groups([one, other]))) == 2


def test_a_group_is_what_steps_connect_and_is_named_by_its_smallest_text():
    chain = ["b c d e f", "a b c d e f", "a b c d e f g"]
    assert question_groups([*chain, "z"]) == ["a b c d e f"] * 3 + ["z"]


@given(st.lists(st.lists(st.sampled_from(WORDS[:12]), min_size=1, max_size=8).map(" ".join), max_size=25))
def test_groups_are_those_of_comparing_every_text_with_every_other(texts):
    expected = {text: text for text in texts}
    for _ in texts:
        for one in texts:
            for other in texts:
                if near(one, other):
                    expected[one] = expected[other] = min(expected[one], expected[other])
    assert question_groups(texts) == [expected[text] for text in texts]


def test_groups_of_many_slips_are_those_of_comparing_every_text_with_every_other():
    rng = random.Random(1)
    texts = []
    for base in (" ".join(rng.sample(WORDS[:12], 6)) for _ in range(40)):
        for _ in range(6):
            at = rng.randrange(len(base))
            texts.append(normalised(base[:at] + rng.choice("xyz") + base[at + rng.randrange(2) :]))
    edges = [(one, other) for one in texts for other in texts if near(one, other)]
    names = {text: text for text in texts}
    for _ in range(len(texts)):
        before = dict(names)
        for one, other in edges:
            names[one] = names[other] = min(names[one], names[other])
        if names == before:
            break
    assert question_groups(texts) == [names[text] for text in texts]


@given(st.lists(st.text(st.characters()), max_size=8))
def test_any_text_has_a_group(texts):
    assert len(question_groups(texts)) == len(texts)
