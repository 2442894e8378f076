import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.labelled import (
    OOS,
    Labelled,
    TextPair,
    labelled_of_intents,
    pairs_of_intents,
    read_intents,
    read_pairs,
    read_retrieval,
)
from kb.errors import ImportFileError, InputError

ROWS = [("where is it", "track"), ("track it", "track"), ("money back", "refund"), ("hello", OOS)]
PASSAGE = {"id": "p1", "title": "Delivery", "text": "It takes three days.", "source": "https://shop.example"}
QUESTION = {"question": "How long?", "relevant": ["p1"]}


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def folder(tmp_path):
    """Writes the files of a retrieval set, of lines that are documents or texts."""

    def call(passages=(PASSAGE,), questions=(QUESTION,), split="test"):
        for name, lines in (("passages", passages), (split, questions)):
            texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
            write(tmp_path / f"{name}.jsonl", "\n".join(texts))
        return tmp_path

    return call


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nwhere is it,track\nhello,oos\n",
        "\ufefftext,label\r\nwhere is it,track\r\nhello,oos\r\n",
        "id,label,text\n1,track, where is it \n2,oos,hello\n",
        'text,label\n"where is it","track"\nhello,oos',
    ],
    ids=["plain", "byte order mark", "other columns", "quotes"],
)
def test_texts_and_labels_are_read(tmp_path, content):
    assert read_intents(write(tmp_path / "a.csv", content)) == [("where is it", "track"), ("hello", OOS)]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("question,answer\na,b\n", "expected columns text,label; got a.csv with question, answer; rename"),
        ("", "got a.csv with nothing"),
        ("text,label\n", "expected rows in a.csv"),
        ("text,label\nhello,\n", "row 2 of a.csv"),
        ("text,label\n ,oos\n,track\n", "expected a text in a.csv; got none"),
        ("text,label\nhello\n", "row 2 of a.csv"),
        (b"text,label\n\xff\xfe,oos\n", "expected a UTF-8 file"),
        ('text,label\n"hello,oos\n', "expected a UTF-8 file"),
    ],
)
def test_a_file_of_another_form_is_refused_by_name_and_row(tmp_path, content, named):
    with pytest.raises(ImportFileError, match=named):
        read_intents(write(tmp_path / "a.csv", content))


def test_rows_without_a_text_are_passed_over_and_named_in_the_log(tmp_path):
    with capture_logs() as said:
        rows = read_intents(write(tmp_path / "a.csv", "text,label\nhello,oos\n ,oos\nwhere is it,track\n,track\n"))
    assert rows == [("hello", OOS), ("where is it", "track")]
    assert [(line["rows"], line["count"]) for line in said] == [([3, 5], 2)]


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImportFileError, match=r"absent.csv; got No such file or directory"):
        read_intents(tmp_path / "absent.csv")
    with pytest.raises(ImportFileError, match="Is a directory"):
        read_intents(tmp_path)


def test_the_texts_of_a_label_are_the_question_and_phrasings_of_one_pair():
    track, refund = pairs_of_intents(ROWS)
    assert (track.pair_id, track.phrasings, track.answer) == ("track", ("where is it", "track it"), "")
    assert refund.pair_id == "refund"


def test_a_label_of_words_is_the_question_of_its_pair_and_else_its_first_text_is():
    named, numbered = pairs_of_intents([("where is my card", "card_arrival-time"), ("hello", "17"), ("hi", "17")])
    assert (named.question, named.phrasings) == ("card arrival time", ("where is my card",))
    assert (numbered.question, numbered.phrasings) == ("hello", ("hi",))


LABELS = st.sampled_from(["track", "refund", "price", OOS])


@given(st.lists(st.tuples(st.text(min_size=1), LABELS)))
def test_every_text_in_scope_is_in_the_pair_of_its_label(rows):
    pairs = pairs_of_intents(rows)
    found = [(text, each.pair_id) for each in pairs for text in each.phrasings]
    assert sorted(found) == sorted((text, label) for text, label in rows if label != OOS)
    assert len({each.pair_id for each in pairs}) == len(pairs)


def test_a_test_question_has_its_pair_and_one_out_of_scope_has_none():
    assert labelled_of_intents(ROWS[1:], ["track", "refund"]) == [
        Labelled(question="track it", right=frozenset({"track"})),
        Labelled(question="money back", right=frozenset({"refund"})),
        Labelled(question="hello", right=frozenset()),
    ]


def test_a_label_that_is_no_pair_is_refused_by_name():
    with pytest.raises(InputError, match="expected labels that are pairs, or oos; got track; mend"):
        labelled_of_intents(ROWS, ["refund"])


def test_of_many_unknown_labels_three_are_named_and_the_others_counted():
    with pytest.raises(InputError, match=r"got a, b, c and 2 more"):
        labelled_of_intents([("?", label) for label in "edcba"], [])


def test_passages_are_pairs_and_questions_have_those_that_are_relevant(folder):
    pairs, questions = read_retrieval(folder(), "test")
    (pair,) = pairs
    assert (pair.pair_id, pair.question, pair.answer) == ("p1", "Delivery", "It takes three days.")
    assert pair.source == "https://shop.example"
    assert questions == [Labelled(question="How long?", right=frozenset({"p1"}))]


def test_ids_may_be_numbers_and_a_question_may_have_no_relevant_passage(folder):
    questions = [{"question": "How long?", "relevant": [7]}, {"question": "Why?", "relevant": []}]
    pairs, labelled = read_retrieval(folder([{"id": 7, "text": "Three days."}], questions), "test")
    assert pairs[0].pair_id == "7"
    assert [each.right for each in labelled] == [frozenset({"7"}), frozenset()]


@pytest.mark.parametrize("title", [{}, {"title": ""}, {"title": None}])
def test_a_passage_without_title_has_the_beginning_of_its_text_as_question(folder, title):
    (pair,), _ = read_retrieval(folder([{"id": "p1", "text": "word " * 100} | title]), "test")
    assert pair.question == ("word " * 100)[:200]


def test_blank_lines_are_passed_over(folder):
    pairs, _ = read_retrieval(folder([PASSAGE, "", "  "]), "test")
    assert len(pairs) == 1


def test_the_split_names_the_file_of_the_questions(folder):
    path = folder(split="valid")
    assert read_retrieval(path, "valid")[1][0].question == "How long?"
    with pytest.raises(ImportFileError, match=r"test.jsonl; got No such file"):
        read_retrieval(path, "test")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"passages": ["{"]}, "line 1 of .*passages.jsonl"),
        ({"passages": [PASSAGE, "[]"]}, "line 2 of .*passages.jsonl"),
        ({"passages": [{"text": "a"}]}, "expected id in every line of .*passages.jsonl; got text"),
        ({"passages": [{"id": "a"}]}, "expected text in every line"),
        ({"questions": [{"question": "a"}]}, "expected relevant in every line of .*test.jsonl"),
        ({"questions": [{"question": "a", "relevant": "p1"}]}, "a list of passage ids .*; got 'p1'"),
        ({"questions": [{"question": "a", "relevant": 1}]}, "a list of passage ids"),
        ({"passages": []}, "expected passages and questions"),
        ({"questions": []}, "expected passages and questions"),
    ],
)
def test_a_retrieval_set_of_another_form_is_refused_by_file_and_line(folder, given, named):
    with pytest.raises(ImportFileError, match=named):
        read_retrieval(folder(**given), "test")


@pytest.mark.parametrize(
    "content",
    [
        "text_a,text_b,label\nwhere is it,track it,1\nhello,money back,0\n",
        "\ufefflabel,id,text_b,text_a\r\n1,7,track it, where is it \r\n0 ,8,money back,hello\r\n",
    ],
    ids=["plain", "byte order mark, other columns and order"],
)
def test_pairs_are_read_with_what_they_are(tmp_path, content):
    assert read_pairs(write(tmp_path / "a.csv", content)) == [
        TextPair(text_a="where is it", text_b="track it", same=True),
        TextPair(text_a="hello", text_b="money back", same=False),
    ]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("text,label\na,1\n", "expected columns text_a,text_b,label; got a.csv with text, label; rename"),
        ("", "got a.csv with nothing"),
        ("text_a,text_b,label\n", "expected rows in a.csv; got none"),
        ("text_a,text_b,label\na,b,1\na, ,1\n", "expected a text_b in every row; got row 3 of a.csv"),
        ("text_a,text_b,label\na,b\n", "expected a label in every row; got row 2 of a.csv"),
        ("text_a,text_b,label\na,b,1\na,b,yes\n", r"expected 1 \(the same\) or 0 .*; got yes in row 3 of a.csv"),
        ("text_a,text_b,label\na,b,1.0\n", "got 1.0 in row 2"),
        (b"text_a,text_b,label\n\xff\xfe,b,1\n", "expected a UTF-8 file"),
    ],
)
def test_pairs_of_another_form_are_refused_by_name_and_row(tmp_path, content, named):
    with pytest.raises(ImportFileError, match=named):
        read_pairs(write(tmp_path / "a.csv", content))


def test_a_missing_file_of_pairs_is_refused(tmp_path):
    with pytest.raises(ImportFileError, match=r"absent.csv; got No such file or directory"):
        read_pairs(tmp_path / "absent.csv")
