import pytest

from bot.evaluation import Outcome
from bot.labelled import Labelled
from bot.peers import peers_report, read_peers
from kb.errors import ImportFileError

ROWS = [("where is it", "track"), ("money back", "refund"), ("hello", "oos")]
SAID = "text,label,predicted,confidence\nwhere is it,track,track,0.9\nmoney back,refund,other,0.5\nhello,oos,oos,0\n"


def folder(tmp_path, content=SAID, name="rasa.csv"):
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / name).write_text(content, encoding="utf-8")
    return tmp_path / "test.csv"


def test_predictions_of_a_system_are_read_as_outcomes(tmp_path):
    peers = read_peers([folder(tmp_path)], ROWS)
    assert list(peers) == ["rasa"]
    assert [each.ranking for each in peers["rasa"]] == [("track",), ("other",), ()]
    assert [each.confidence for each in peers["rasa"]] == [0.9, 0.5, 0.0]
    assert [each.answered for each in peers["rasa"]] == [True, True, False]


def test_without_a_folder_or_with_several_tests_there_are_no_peers(tmp_path):
    assert read_peers([tmp_path / "test.csv"], ROWS) == {}
    test = folder(tmp_path)
    assert read_peers([test, test], ROWS) == {}


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nwhere is it,track\n",
        "text,label,predicted,confidence\nwhere is it,track,track,sure\n",
        "text,label,predicted,confidence\nwhere is it,track,track,0.9\n",
        SAID.replace("money back", "other question"),
    ],
)
def test_a_file_of_another_form_or_of_other_questions_is_refused_by_name(tmp_path, content):
    with pytest.raises(ImportFileError, match=r"rasa\.csv"):
        read_peers([folder(tmp_path, content)], ROWS)


def test_ours_stand_beside_a_system_with_the_paired_difference(tmp_path):
    peers = read_peers([folder(tmp_path)], ROWS)
    questions = [Labelled(question=text, right=frozenset({label} - {"oos"})) for text, label in ROWS]
    ours = [
        Outcome(ranking=(first,), confidence=sure, answered=True, threshold=0.5, latency_ms=1.0)
        for first, sure in (("track", 0.9), ("refund", 0.8), ("track", 0.1))
    ]
    report = peers_report(questions, ours, peers, ["track", "refund"])["rasa"]
    assert report["in_scope_accuracy"] == 0.5
    assert report["ours_minus_this"]["p_at_1"]["difference"] == 0.5
    assert set(report["ours_minus_this"]) == {"p_at_1", "auroc", "best_mcc"}
