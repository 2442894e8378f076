import json

import pytest
from suggestion_files import write_folder

from bot.suggestion_data import Request, read_bank, read_requests
from kb.errors import ImportFileError


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "shop")


def test_a_folder_is_read_as_it_is_written(folder):
    bank, asked = read_bank(folder), read_requests(folder, "train")
    assert (len(bank.ids), bank.texts[0]) == (140, "do you want reviews of the kettle")
    assert (len(asked), asked[0].text, asked[0].facets) == (
        10,
        "tell me about the kettle",
        ("opinions", "shops", "prices"),
    )
    assert asked[0].serves["Q2"] == {"shops", "prices"}


def test_a_question_that_was_not_judged_serves_nothing():
    request = Request(text="x", facets=("a", "b"), serves={"q1": frozenset({"b"}), "q2": frozenset()})
    assert request.rows(["q9", "q1"]).tolist() == [[False, False], [False, True]]
    assert request.judged().tolist() == [[False, True], [False, False]]
    assert request.rows([]).shape == (0, 2)


def test_a_question_of_the_bank_counts_once(folder):
    with (folder / "question_bank.csv").open("a") as stream:
        stream.write("Q0,another text\n")
    assert read_bank(folder).texts[0] == "do you want reviews of the kettle"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"request": "x"}, "request, facets and questions"),
        ({"request": "", "facets": {}, "questions": []}, "request, facets and questions"),
        ({"request": "x", "facets": {}, "questions": [{"text": "no id"}]}, "an id and a list of facets"),
        ({"request": "x", "facets": {"a": ""}, "questions": [{"id": "q", "facets": ["b"]}]}, "got b in request 1 of"),
    ],
)
def test_a_request_that_is_not_of_the_format_is_named(folder, row, told):
    (folder / "test.jsonl").write_text(json.dumps(row))
    with pytest.raises(ImportFileError, match=told):
        read_requests(folder, "test")


@pytest.mark.parametrize("bank", ["id,text\nq1,alone\n", "id,text\n", "number,text\n1,x\n", "id,text\nq1,\n"])
def test_a_bank_that_can_not_be_used_is_refused(folder, bank):
    (folder / "question_bank.csv").write_text(bank)
    with pytest.raises(ImportFileError):
        read_bank(folder)


def test_a_split_without_requests_is_refused(folder):
    (folder / "dev.jsonl").write_text("\n")
    with pytest.raises(ImportFileError, match="expected requests"):
        read_requests(folder, "dev")
