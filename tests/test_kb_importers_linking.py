from dataclasses import replace

import numpy as np
import pytest
from fakes_kb import pair

from kb.importers.linking import AnswerLinker
from kb.types import QAPair

KNOWN = [
    pair(
        "How much does standard delivery cost in the UK?",
        "**£3.95** an order, and free from £50. It is charged once, however many parcels we make of it.",
        pair_id="a-delivery",
        phrasings=("postage price", "what is the postage"),
    ),
    pair(
        "How does express delivery work?",
        "Order before 14:00 on a working day and it arrives the next working day, for £7.95.",
        pair_id="b-express",
    ),
    pair(
        "How do I spend my club points?",
        "Every 100 points take £5 off: move the slider at the checkout, in steps of 100.",
        pair_id="c-points",
    ),
    pair(
        "How do I dry a wet tent?",
        "Unpack it within 24 hours, hang up the flysheet and the inner, and keep it off radiators.",
        pair_id="d-tent",
    ),
    pair(
        "How do I wax leather boots?",
        "Work a little warm wax into the seams, leave it overnight, then buff the leather.",
        pair_id="e-boots",
    ),
]


def asked(question: str, answer: str, locale: str = "en") -> QAPair:
    return pair(question, answer, locale=locale)


@pytest.mark.parametrize(
    ("question", "answer", "pair_id"),
    [
        ("whats postage on gaiters", "Standard delivery is £3.95 an order, and free from £50.", "a-delivery"),
        ("something quicker?", "Order before 14:00 and it's there on the next working day, for £7.95.", "b-express"),
        ("what do points get me", "Move the slider: 100 points take £5 off, in steps of 100.", "c-points"),
        ("put it away wet, what now", "Hang up flysheet and inner within 24 hours, off the radiators.", "d-tent"),
    ],
)
def test_an_answer_in_other_words_is_linked_to_the_pair_that_says_the_same(
    question: str, answer: str, pair_id: str
) -> None:
    link = AnswerLinker(KNOWN).link(asked(question, answer))
    assert (link.verdict, link.pair_id, link.telling) == ("same", pair_id, True)


def test_another_price_is_not_the_same_answer() -> None:
    linker = AnswerLinker(KNOWN)
    same = linker.link(
        asked("express cost?", "Order before 14:00 on a working day; it arrives the next one, for £7.95.")
    )
    other = linker.link(
        asked("express cost?", "Order before 11:00 on a working day; it arrives the next one, for £9.50.")
    )
    assert (same.verdict, other.verdict) == ("same", "near")


def test_an_answer_about_something_else_is_new() -> None:
    link = AnswerLinker(KNOWN).link(asked("Do you sell kayaks?", "We stopped selling kayaks and paddles last spring."))
    assert (link.verdict, link.pair_id) == ("new", "")


def test_an_answer_of_two_pairs_at_once_is_near_only() -> None:
    answer = "Every 100 points take £5 off at the checkout. Work a little warm wax into the seams, leave it overnight."
    assert AnswerLinker(KNOWN).link(asked("points, and how to wax?", answer)).verdict == "near"


def test_of_two_pairs_that_say_the_same_none_is_certain() -> None:
    twins = [*KNOWN, replace(KNOWN[1], pair_id="b-twin")]
    answer = "Order before 14:00 and it's there on the next working day, for £7.95."
    assert AnswerLinker(twins).link(asked("something quicker?", answer)).verdict == "near"


def test_the_words_of_the_question_decide_between_answers_that_are_alike() -> None:
    answer = "Yes, within 60 days, unused, with the free label of the parcel shop."
    boots = pair("Can I return walking boots?", answer.replace("unused", "unworn"), pair_id="boots")
    rope = pair("Can I return climbing rope?", answer, pair_id="rope")
    linker = AnswerLinker([boots, *KNOWN, rope])
    said = "Sure, within 60 days, with the free label of the parcel shop."
    assert linker.link(asked("can walking boots be returned", said)).pair_id == "boots"
    assert linker.link(asked("can climbing rope be returned", said)).pair_id == "rope"
    assert linker.link(asked("can that go back", said)).verdict == "near"


@pytest.mark.parametrize("answer", ["Yes, it is.", "On the next working day."])
def test_an_answer_of_few_words_fits_anywhere_and_is_not_linked(answer: str) -> None:
    assert AnswerLinker(KNOWN).link(asked("and then?", answer)).verdict == "near"


def test_the_very_same_answer_is_linked_however_short_it_is() -> None:
    linker = AnswerLinker([*KNOWN, pair("Open on Sunday?", "Yes, we are.", pair_id="f")])
    assert linker.link(asked("Sundays?", "yes we are")).pair_id == "f"


def test_a_question_that_says_nothing_by_itself_is_linked_but_is_no_phrasing() -> None:
    answer = "Order before 14:00 and it's there on the next working day, for £7.95."
    link = AnswerLinker(KNOWN).link(asked("which is?", answer))
    assert (link.verdict, link.pair_id, link.telling) == ("same", "b-express", False)


def test_texts_of_two_languages_are_never_the_same() -> None:
    answer = "Order before 14:00 and it's there on the next working day, for £7.95."
    assert AnswerLinker(KNOWN).link(asked("something quicker?", answer, "en-GB")).verdict == "same"
    assert AnswerLinker(KNOWN).link(asked("something quicker?", answer, "de")).verdict == "new"


def test_words_are_compared_by_their_stems_and_numbers_by_their_value() -> None:
    known = pair(
        "Wie wasserdicht sind die Zelte?",
        "Die Zeltböden halten einer Wassersäule von 10.000 mm stand, die Außenzelte einer von 3.000 mm.",
        pair_id="zelt",
        locale="de",
    )
    answer = "Unser Zeltboden hält 10000 mm Wassersäule aus, das Außenzelt 3000 mm."
    assert AnswerLinker([known, *KNOWN]).link(asked("wie dicht sind die zelte", answer, "de")).pair_id == "zelt"


def test_a_pair_added_later_is_known_too() -> None:
    linker = AnswerLinker(KNOWN)
    mined = asked("Do you sell kayaks?", "We stopped selling kayaks and paddles last spring.")
    linker.add(mined)
    again = linker.link(asked("kayaks?", "Sorry, we stopped selling kayaks and paddles in the last spring."))
    assert (again.verdict, again.pair_id) == ("same", "")


def test_nothing_is_known_to_an_empty_store() -> None:
    assert AnswerLinker([]).link(asked("a question", "An answer of several telling words.")).verdict == "new"


def test_the_order_of_the_pairs_makes_no_difference() -> None:
    answers = [each.answer.rsplit(" ", 4)[0] for each in KNOWN]
    found = [[AnswerLinker(pairs).link(asked("how?", answer)) for answer in answers] for pairs in (KNOWN, KNOWN[::-1])]
    assert found[0] == found[1]


def made_up(count: int, seed: int) -> list[QAPair]:
    random = np.random.default_rng(seed)
    words = np.array([f"w{chr(97 + at % 26)}{chr(97 + at // 26 % 26)}{chr(97 + at // 676)}" for at in range(10_000)])
    usual = 1 / np.arange(1, len(words) + 1)
    drawn = random.choice(words, (count, 40), p=usual / usual.sum())
    return [
        pair(" ".join(row[:8]), " ".join(row[8:]), pair_id=f"p{at:05}", locale="en") for at, row in enumerate(drawn)
    ]


def test_the_index_finds_the_pair_that_comparing_all_would_find() -> None:
    known = made_up(300, seed=1)
    linker = AnswerLinker(known)
    for each in known:
        said = " ".join(each.answer.split()[::-1][:28])
        assert linker.link(asked(each.question, said)).pair_id == each.pair_id
    verdicts = {linker.link(asked(each.question, each.answer)).verdict for each in made_up(50, seed=2)}
    assert verdicts <= {"new", "near"}
