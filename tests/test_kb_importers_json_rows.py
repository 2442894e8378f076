import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.errors import ImportFileError
from kb.importers.json_rows import JsonTable
from kb.importers.records import Reject, Row


def read(folder: Path, content: str | bytes, name: str = "faq.jsonl") -> tuple[list[Row], list[Reject]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows = list(JsonTable(path).rows())
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, Reject)]


def test_a_broken_line_of_jsonl_is_rejected_alone(tmp_path: Path) -> None:
    lines = [
        '{"question": "a", "answer": "b"}',
        '{"question": "cut',
        "[1]",
        "",
        '{"question": "c", "phrasings": ["x"]}',
    ]
    rows, rejects = read(tmp_path, "\n".join(lines))
    assert [(row.line, dict(row.fields)) for row in rows] == [
        (1, {"question": "a", "answer": "b"}),
        (5, {"question": "c", "phrasings": '["x"]'}),
    ]
    assert [(reject.line, reject.original) for reject in rejects] == [(2, '{"question": "cut'), (3, "[1]")]


def test_numbers_booleans_and_null_become_text(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '{"id": 7, "price": 3.5, "ok": true, "none": null}\n')
    assert rows[0].fields == {"id": "7", "price": "3.5", "ok": "true", "none": ""}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects_is_read_with_its_lines(tmp_path: Path, indent: int | None) -> None:
    objects = [{"question": f"q{number}", "answer": "x, {y} ]" * 50} for number in range(500)]
    rows, rejects = read(tmp_path, json.dumps(objects, indent=indent), "faq.json")
    assert not rejects
    assert [dict(row.fields) for row in rows] == objects
    assert rows[1].line == (1 if indent is None else 6)


def test_a_broken_object_of_a_list_is_rejected_alone(tmp_path: Path) -> None:
    content = '[{"q": "a"},\n {"q": "b" "x"},\n {"q": broken, "answer": {"deep": 1}},\n {"q": "c"},\n 5]'
    rows, rejects = read(tmp_path, content, "faq.json")
    assert [row.fields["q"] for row in rows] == ["a", "c"]
    assert [reject.line for reject in rejects] == [2, 3, 5]


def test_a_list_cut_short_loses_its_last_object_alone(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, '[{"q": "a"}, {"q": "b', "faq.json")
    assert [row.fields["q"] for row in rows] == ["a"]
    assert [reject.original for reject in rejects] == ['{"q": "b']


def test_an_object_longer_than_the_window_is_read_whole(tmp_path: Path) -> None:
    long = "x" * 300_000
    rows, rejects = read(tmp_path, json.dumps([{"q": "a"}, {"q": long}, {"q": "c"}]), "faq.json")
    assert not rejects
    assert [len(row.fields["q"]) for row in rows] == [1, 300_000, 1]


def test_nesting_beyond_reason_is_rejected(tmp_path: Path) -> None:
    deep = '{"q": ' + "[" * 100_000 + "}"
    rows, rejects = read(tmp_path, f'{{"q": "a"}}\n{deep}\n')
    assert (len(rows), len(rejects)) == (1, 1)


def test_utf_16_with_a_mark_is_read(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '{"question": "größer?"}\n'.encode("utf-16"))
    assert rows[0].fields["question"] == "größer?"


@pytest.mark.parametrize("content", ["", "   \n", "question,answer\na,b\n", '{\n  "question": "a"\n}'])
def test_what_is_no_list_of_objects_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFileError, match="expected one JSON object a line"):
        read(tmp_path, content)


OBJECTS = st.lists(st.dictionaries(st.text(), st.text(), max_size=3), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_every_list_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, objects: list, ascii_only: bool, indent: int | None
) -> None:
    content = json.dumps(objects, ensure_ascii=ascii_only, indent=indent).encode(errors="replace")
    rows, rejects = read(tmp_path_factory.mktemp("json"), content, "faq.json")
    assert not rejects
    assert [dict(row.fields) for row in rows] == json.loads(content)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from('[]{}",:\\ a1\n'), max_size=60))
def test_no_damage_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, damage: str) -> None:
    rows, _ = read(tmp_path_factory.mktemp("json"), f'[{{"q": "first"}}, {damage}', "faq.json")
    assert rows[0].fields["q"] == "first"
