import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_rows import ENOUGH, ROW, row

from kb.errors import TrainingDataError
from models.training.labeled_files import read_labeled, write_labeled


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@given(rows=st.lists(ROW, max_size=5))
def test_files_give_back_exactly_what_was_written(tmp_path_factory, suffix, rows):
    path = tmp_path_factory.mktemp("labelled") / f"rows{suffix}"
    write_labeled(path, rows)
    assert read_labeled(path) == rows
    assert list(path.parent.iterdir()) == [path]


def test_columns_that_are_left_out_take_their_defaults(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffpair_id,question,label\na,Where?,0.5\n\nb,Late?,\n", encoding="utf-8")
    assert read_labeled(path) == [row("Where?", "a", label=0.5), row("Late?", "b")]


def test_a_cell_that_a_spreadsheet_would_run_is_written_as_text(tmp_path):
    write_labeled(tmp_path / "rows.csv", [row("=1+1", "a")])
    assert "'=1+1" in (tmp_path / "rows.csv").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"question,pair_id\nWhere?,a\nLate?\n", "expected 2 columns in line 3 of .*; got 1; mend"),
        ("rows.csv", b'question,pair_id\n"a\nb",a\n"x"y,a\n', "in line 4 of"),
        ("rows.csv", b'question,pair_id\nWhere?,a\n"open,a\n', "in line 3 of"),
        (
            "rows.csv",
            b"question,pair_id,label\nWhere?,a,high\n",
            "expected a number as label in line 2 of .*; got 'high'",
        ),
        ("rows.csv", b"question,pair_id,label\nWhere?,a,nan\n", "line 2 of .* expected a label from 0 to 1"),
        ("rows.csv", b"question,pair_id,lable\nWhere?,a,1\n", "line 2 of .*; got also lable; "),
        ("rows.csv", b"question\nWhere?\n", "line 2 of .*; got no pair_id; "),
        ("rows.csv", b"question,pair_id\n ,a\n", "line 2 of .* expected a question and a pair id"),
        ("rows.csv", b"question,pair_id\nWhere?,a\n\xff\xfe,a\n", "got other bytes in line 3; save it as UTF-8"),
        ("rows.jsonl", b'{"question": "Where?", "pair_id": "a"}\nnot json\n', "expected a JSON object in line 2 of"),
        ("rows.jsonl", b"[1]\n", "expected a JSON object in line 1 of .*; got list"),
        ("rows.jsonl", b'{"question": 5, "pair_id": "a"}\n', "expected a text as question in line 1 of"),
        ("rows.jsonl", b'{"question": "W", "pair_id": "a", "label": true}\n', "expected a number as label in line 1"),
        ("rows.jsonl", b'{"question": "W", "pair_id": "a", "origin": "x"}\n', "line 1 of .* expected an origin of"),
        ("rows.xlsx", b"", "expected a file whose name ends in .jsonl or .csv; got rows.xlsx"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingDataError, match=message):
        read_labeled(tmp_path / name)


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(TrainingDataError, match=r"expected a file of labelled pairs at .*; got No such file"):
        read_labeled(tmp_path / "none.csv")
    with pytest.raises(TrainingDataError, match="expected a file that can be written"):
        write_labeled(tmp_path / "none" / "rows.csv", [])


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "rows.csv"
    write_labeled(path, ENOUGH)

    def broken():
        yield ENOUGH[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingDataError, match="No space left"):
        write_labeled(path, broken())
    assert read_labeled(path) == ENOUGH
    assert list(tmp_path.iterdir()) == [path]
