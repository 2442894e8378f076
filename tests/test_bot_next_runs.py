import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bot.cli.app import app
from bot.next_runs import next_report, read_conversations
from kb.errors import ImportFileError, InputError
from models.next_question import NextQuestionConfig

HEADER = "conversation_id,turn,text,intent\n"


def encode(texts):
    found = np.array([[len(text), text.count("a") + 1, 1.0] for text in texts], dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 40), ("dev", 10), ("test", 20)):
        rows = []
        for number in range(count):
            after = ("refund", "label") if number % 2 else ("track", "delay")
            intents = ("hello", *after, "bye")
            rows += [f"{split}{number},{turn},text {turn} {intent},{intent}" for turn, intent in enumerate(intents)]
        (tmp_path / f"{split}.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return tmp_path


def test_turns_come_in_their_order_and_what_is_no_turn_is_counted(tmp_path):
    rows = ["a,2.0,second,x", "a,1.0,first,y<div>z", "rest of a broken line,O O O,,", "b,0,only,x", "c,1,nothing,"]
    (tmp_path / "train.csv").write_text(HEADER + "\n".join(rows))
    found, passed_over = read_conversations(tmp_path, "train")
    assert [[said.text for said in each] for each in found] == [["first", "second"], ["only"]]
    assert found[0][0].intents == ("y", "z")
    assert passed_over == 2


def test_the_model_is_compared_with_popularity_and_first_order_transitions(folder):
    report = next_report(folder, "test", encode, NextQuestionConfig())
    assert (report["turns"], report["conversations"], report["intents"]) == (60, 20, 6)
    assert report["model"]["hit_at_3"] == 1.0
    # Of six intents bye is next in a third of the turns, and the others in a sixth each.
    assert report["popularity"]["hit_at_1"] == pytest.approx(1 / 3)
    assert report["popularity"]["hit_at_3"] == pytest.approx(2 / 3)
    gain = report["gain_over"]["popularity"]
    assert gain["difference"] == pytest.approx(1 / 3)
    assert gain["relative"] == pytest.approx(0.5)
    assert gain["interval"][0] > 0


def test_an_intent_that_training_does_not_have_is_never_hit(folder):
    (folder / "test.csv").write_text(HEADER + "x,0,hi,hello\nx,1,something new,unheard of\nx,2,bye,bye\n")
    report = next_report(folder, "test", encode, NextQuestionConfig())
    assert report["turns"] == 2
    assert report["model"]["hit_at_3"] <= 0.5


def test_other_files_and_splits_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="dev, test"):
        next_report(folder, "train", encode, NextQuestionConfig())
    with pytest.raises(ImportFileError, match=r"train, dev and test\.csv"):
        next_report(tmp_path / "nowhere", "test", encode, NextQuestionConfig())
    (folder / "dev.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ImportFileError, match="columns conversation_id"):
        next_report(folder, "test", encode, NextQuestionConfig())
    (folder / "dev.csv").write_text(HEADER)
    (folder / "test.csv").write_text(HEADER + "x,0,hi,hello\n")
    with pytest.raises(InputError, match="conversations of two turns"):
        next_report(folder, "test", encode, NextQuestionConfig())


def test_the_command_tells_a_report_for_each_folder(folder, tmp_path):
    arguments = ["evaluate", "next", "--dir", str(folder), "--var", str(tmp_path / "var")]
    told = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(told.stdout)[folder.name]["model"]["hit_at_3"] == 1.0
    assert "first order transitions" in CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
