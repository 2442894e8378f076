from fakes_encoder import FakeEncoder
from fakes_kb import pair

from bot.corpus import Corpus, asked_of, contrastive_data, questions_of, sampled
from models.training.data import LabeledPair

PAIRS = (
    pair("Where is my order?", "**On** its way.", pair_id="a", phrasings=("where's my parcel", "track it")),
    pair("Opening hours", "From 9 to 5.", pair_id="b", phrasings=("when are you open", "Track it!")),
    pair("Nothing", "", pair_id="c"),
)


def labeled(question, pair_id, label=1.0, weight=1.0):
    return LabeledPair(question=question, pair_id=pair_id, label=label, weight=weight, origin="phrasing")


def test_what_is_held_out_is_no_phrasing_of_the_known_pairs():
    corpus = Corpus(pairs=PAIRS, train=[], valid=[labeled("track it", "a"), labeled("when are you open", "b")])
    assert [each.phrasings for each in corpus.known()] == [("where's my parcel",), ("Track it!",), ()]
    assert [each.pair_id for each in corpus.known()] == ["a", "b", "c"]


def test_a_question_is_there_once_with_all_that_is_labelled_of_it():
    rows = [
        labeled("track it", "a", weight=0.5),
        labeled("Track it!", "b", weight=2.0),
        labeled("track it?", "c", label=0.0),
    ]
    (found,) = questions_of(rows, PAIRS)
    assert (found.text, found.rows, found.wrong, found.weight) == ("track it", {0, 1}, {2}, 2.0)


def test_what_answers_nothing_that_is_served_or_weighs_nothing_is_left_out():
    rows = [
        labeled("gone", "retired"),
        labeled("only wrong", "a", label=0.0),
        labeled("weightless", "a", weight=0.0),
        labeled("kept", "a"),
    ]
    assert [each.text for each in questions_of(rows, PAIRS)] == ["kept"]


def test_rows_are_counted_on_from_corpus_to_corpus():
    corpora = [Corpus(pairs=PAIRS, train=[labeled("open?", "b")], valid=[])] * 2
    found = contrastive_data(corpora)
    assert list(found.rows) == [{1}, {4}]
    assert len(found.answers) == 6


def test_an_answer_has_its_title_before_it_and_a_title_that_nobody_asked_is_a_text_too():
    corpus = Corpus(pairs=PAIRS, train=[labeled("Where is my order?", "a")], valid=[])
    whole = "Opening hours: From 9 to 5."
    assert list(contrastive_data([corpus]).answers) == [
        ["Where is my order?: On its way."],
        [whole, whole, "Opening hours"],
        [],
    ]


def test_all_entries_of_the_same_question_are_hidden_when_it_is_asked():
    questions = questions_of([labeled("track it", "a"), labeled("Track it!", "b"), labeled("new one", "a")], PAIRS)
    own = {
        (0, "Where is my order?"): 0,
        (0, "track it"): 2,
        (0, "TRACK IT"): 3,
        (1, "Track it!"): 7,
        (2, "track it"): 9,
    }
    asked = asked_of(questions, FakeEncoder(), own)
    assert [each.hidden for each in asked] == [(2, 3, 7), ()]
    assert [each.rows for each in asked] == [{0, 1}, {0}]
    assert (asked[0].vector == FakeEncoder().encode(["track it"])[0]).all()


def test_a_sample_is_in_order_the_same_for_a_seed_and_everything_where_there_is_no_more():
    questions = questions_of([labeled(f"question {at}", "a") for at in range(50)], PAIRS)
    found = sampled(questions, 10, 3)
    assert len(found) == 10
    assert found == sampled(questions, 10, 3) != sampled(questions, 10, 4)
    assert [each for each in questions if each in found] == found
    assert sampled(questions, 50, 3) == questions
