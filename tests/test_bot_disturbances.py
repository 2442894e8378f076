import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.disturbances import CASING, KINDS, disturb

QUESTION = "where is the parcel that I ordered a week ago?"
ALL = tuple(KINDS)


def disturbed(text, share=0.1, kinds=ALL, seed=0):
    return disturb(text, share, kinds, np.random.default_rng(seed))


def edits_between(one, other):
    """Levenshtein distance, by the book."""
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        before, row = row, [at]
        for place, another in enumerate(other, start=1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != another)))
    return row[-1]


@given(st.text(max_size=40), st.floats(0.01, 1), st.sets(st.sampled_from(ALL), min_size=1), st.integers(0, 9))
def test_the_same_seed_disturbs_alike_and_leaves_something_to_read(text, share, kinds, seed):
    one, other = (disturbed(text, share, sorted(kinds), seed) for _ in range(2))
    assert one == other
    assert bool(one.strip()) == bool(text.strip())


def test_another_seed_disturbs_otherwise():
    assert len({disturbed(QUESTION, seed=seed) for seed in range(20)}) == 20


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_as_many_characters_are_hit_as_the_share_says(share):
    # A substitution, an insertion and a deletion are one edit; a swap is two.
    hit = round(share * len(QUESTION))
    for seed in range(30):
        distance = edits_between(QUESTION, disturbed(QUESTION, share, ("typos",), seed))
        assert distance <= 2 * hit
    mean = np.mean([edits_between(QUESTION, disturbed(QUESTION, share, ("typos",), seed)) for seed in range(30)])
    assert mean >= 0.8 * hit


def test_the_shortest_question_is_hit_once():
    assert all(disturbed("pin", 0.01, ("keyboard",), seed) != "pin" for seed in range(9))


def test_typos_hit_spaces_and_marks_as_well():
    texts = [disturbed(QUESTION, 0.1, ("typos",), seed) for seed in range(50)]
    assert any(text.count(" ") < QUESTION.count(" ") for text in texts)
    assert any("?" not in text for text in texts)


def test_a_slip_of_the_keyboard_puts_a_neighbouring_key():
    assert {disturbed("g", kinds=("keyboard",), seed=seed) for seed in range(60)} == set("fhtyvb")


def test_spaces_are_lost_and_characters_doubled():
    assert {disturbed("a b", 0.3, ("spaces",), seed) for seed in range(60)} == {"ab", "aa b", "a  b", "a bb"}


def test_accents_leave_what_looks_the_same():
    found = {disturbed("e", kinds=("accents",), seed=seed) for seed in range(60)}
    assert found == {"é", "è", "ê", "ë", "е", "ｅ"}
    assert "ae" in {disturbed("ä", kinds=("accents",), seed=seed) for seed in range(60)}


def test_casing_changes_no_letter_and_whole_questions():
    texts = [disturbed(QUESTION, kinds=(CASING,), seed=seed) for seed in range(30)]
    assert {text.lower() for text in texts} == {QUESTION.lower()}
    assert QUESTION.upper() in texts
