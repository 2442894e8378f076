from pathlib import Path

import pytest

from kb.errors import ImportFileError
from kb.importers.columns import find_columns

FILE = Path("faq.csv")


@pytest.mark.parametrize(
    ("names", "question", "answer"),
    [
        (["question", "answer"], "question", "answer"),
        (["Frage", "Antwort"], "Frage", "Antwort"),
        (["id", "title", "text", "source"], "title", "text"),
        (["flags", "instruction", "category", "intent", "response"], "instruction", "response"),
        (["text", "answer"], "text", "answer"),
        (["Text", "Question"], "Question", "Text"),
        (["utterance", "reply"], "utterance", "reply"),
        (["  QUESTION: ", "Best_Answer"], "  QUESTION: ", "Best_Answer"),
    ],
)
def test_question_and_answer_are_found_by_name(names: list[str], question: str, answer: str) -> None:
    columns = find_columns(FILE, names)
    assert columns.kind == "pairs"
    assert (columns.by_role["question"], columns.by_role["answer"]) == (question, answer)


def test_the_other_columns_are_found_by_name() -> None:
    columns = find_columns(FILE, ["pair_id", "question", "answer", "category", "intent", "lang", "url", "alternatives"])
    assert columns.by_role == {
        **{"question": "question", "answer": "answer", "topic": "category", "pair_id": "pair_id", "locale": "lang"},
        **{"source": "url", "phrasings": "alternatives"},
    }


def test_a_mapping_goes_before_names() -> None:
    columns = find_columns(FILE, ["question", "Column A", "column b"], {"question": "column a", "answer": "column b"})
    assert columns.by_role == {"question": "Column A", "answer": "column b"}


def test_a_conversation_with_turns_is_a_transcript() -> None:
    for names in (["conversation_id", "role", "text", "time"], ["conversation_id", "turn", "text", "intent"]):
        assert find_columns(FILE, names).kind == "transcript"
    assert find_columns(FILE, ["ticket_id", "question", "answer"]).kind == "pairs"
    assert find_columns(FILE, ["chat id", "speaker", "subject", "message"]).kind == "transcript"


@pytest.mark.parametrize(
    ("names", "mapping", "message"),
    [
        (["name", "price"], {}, r"got the columns name, price in faq\.csv"),
        (["question", "text2"], {"answer": "reply"}, r"expected a column 'reply' for answer in faq\.csv"),
        (["question", "answer"], {"colour": "answer"}, r"expected one of question, answer, .* got colour"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_there_is(
    names: list[str], mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(ImportFileError, match=message):
        find_columns(FILE, names, mapping)
