import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from cli_runner import FAQ, configured, frontdesk
from fakes_bot import bot_over
from tiny_model import save_tiny_model

from bot.dialogues import AskedTurn, Dialogue, Played, dialogue_report, play, read_dialogues
from kb.errors import ImportFileError

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "tests" / "data" / "demo_dialogues.jsonl"

WRITTEN = Dialogue(
    dialogue_id="d1",
    split="tune",
    turns=(
        AskedTurn(question="How much is delivery?", pair_id="price"),
        AskedTurn(question="and how long?", pair_id="time", depends=True),
        AskedTurn(question="Is it raining in Lisbon?"),
    ),
)


def written(folder, *lines):
    path = folder / "dialogues.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def document(split="tune", *pair_ids):
    return {"dialogue": "d", "split": split, "turns": [{"question": "a?", "pair_id": each} for each in pair_ids]}


def played(dialogue, ordinal, pair_id, first, *, answered=True, depends=False):
    asked = AskedTurn(question="q", pair_id=pair_id, depends=depends)
    return Played(
        dialogue=dialogue, ordinal=ordinal, turn=asked, answered=answered, first=first, latency_ms=1.0 + ordinal
    )


def test_dialogues_are_read_whole_or_by_split(tmp_path):
    path = written(tmp_path, document("tune", "a", "b"), "", document("test", "c", "d", "e"))
    assert [len(each.turns) for each in read_dialogues(path)] == [2, 3]
    assert [each.split for each in read_dialogues(path, "test")] == ["test"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "expected a JSON object a line"),
        ({"turns": []}, "got 'dialogue'"),
        ({"dialogue": "d", "turns": [{"question": "a?", "pair": "x"}]}, "in line 1 of dialogues.jsonl"),
        (document("tune", "a"), "got 1 turns"),
        (document("test", "a", "b"), "expected dialogues of the split tune .*; got test"),
    ],
)
def test_a_line_of_another_form_is_an_error_that_says_what_is_expected(line, message, tmp_path):
    with pytest.raises(ImportFileError, match=message):
        read_dialogues(written(tmp_path, line), "tune")


def test_turns_are_played_in_their_conversation_or_each_alone(tmp_path):
    bot = bot_over(tmp_path)
    together, alone = (play(bot, [WRITTEN], alone=alone) for alone in (False, True))
    assert [each.is_right for each in together] == [True, True, True]
    assert [each.is_right for each in alone] == [True, False, True]


def test_an_abstention_is_wrong_where_there_is_an_answer_and_right_where_there_is_none():
    assert not played(0, 1, "a", "a", answered=False).is_right
    assert played(0, 1, "", "a", answered=False).is_right
    assert not played(0, 1, "", "a").is_right


def test_the_report_tells_each_kind_of_turn_and_the_difference_to_each_turn_alone():
    rest = [played(0, 0, "a", "a"), played(1, 0, "a", "b"), played(1, 1, "e", "e"), played(1, 2, "", "f")]
    together = [*rest, played(0, 1, "b", "b", depends=True), played(0, 2, "c", "c", answered=False, depends=True)]
    alone = [*rest, played(0, 1, "b", "x", depends=True), played(0, 2, "c", "x", depends=True)]
    report = dialogue_report(together, alone)
    kinds = ("first_turns", "later_turns", "dependent", "independent", "unanswerable")
    assert report["n"] == 2
    assert [report[f"n_{kind}"] for kind in kinds] == [2, 3, 2, 1, 1]
    assert [report[kind] for kind in kinds] == pytest.approx([0.5, 2 / 3, 0.5, 1.0, 0.0])
    assert [report["alone"][kind] for kind in kinds] == pytest.approx([0.5, 1 / 3, 0.0, 1.0, 0.0])
    assert report["later_p_at_1"] == 1.0
    assert report["together_minus_alone"]["later_turns"][0] == pytest.approx(1 / 3, abs=1e-4)
    assert report["together_minus_alone"]["dependent"] == [0.5, 0.5, 0.5]


def test_intervals_are_of_whole_dialogues():
    one_right_one_wrong = [played(number, ordinal, "a", "ab"[number]) for number in (0, 1) for ordinal in (0, 1, 2)]
    assert dialogue_report(one_right_one_wrong)["intervals"]["later_turns"] == [0.0, 1.0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A data folder with three pairs, and the id of each by its question."""
    folder = tmp_path_factory.mktemp("shop")
    var = configured(folder / "var", save_tiny_model(folder / "tiny"))
    (folder / "faq.csv").write_text(FAQ)
    assert frontdesk("import", folder / "faq.csv", "--var", var).code == 0
    assert frontdesk("export", folder / "pairs.jsonl", "--var", var).code == 0
    rows = map(json.loads, (folder / "pairs.jsonl").read_text().splitlines())
    return var, {row["question"]: row["id"] for row in rows}


def test_the_command_prints_one_json_object_or_a_table(shop, tmp_path):
    var, ids = shop
    asked = ["Where is my order?", "How much is delivery?"]
    turns = [{"question": question, "pair_id": ids[question]} for question in asked]
    path = written(tmp_path, {"dialogue": "d", "split": "test", "turns": turns})
    ran = frontdesk("evaluate", "dialogues", "--test", path, "--split", "test", "--var", var, "--json")
    assert (ran.document["n"], ran.document["n_later_turns"]) == (1, 1)
    assert set(ran.document["together_minus_alone"]) == {"first_turns", "later_turns", "independent"}
    table = frontdesk("evaluate", "dialogues", "--test", path, "--var", var).out
    assert "later_turns" in table
    assert "difference" in table
    assert "difference" not in frontdesk("evaluate", "dialogues", "--test", path, "--alone", "--var", var).out


def test_a_pair_that_is_not_in_the_knowledge_base_is_an_error(shop, tmp_path):
    ran = frontdesk("evaluate", "dialogues", "--test", written(tmp_path, document("", "x", "y")), "--var", shop[0])
    assert ran.code == 2
    assert "got x, y" in ran.err


@pytest.fixture(scope="module")
def demo_pairs():
    files = sorted((ROOT / "kb" / "demo").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_demo_has_dialogues_of_two_to_four_turns_in_both_halves(demo_pairs):
    dialogues = read_dialogues(DEMO)
    known = {pair["id"] for pair in demo_pairs} | {""}
    assert len({each.dialogue_id for each in dialogues}) == len(dialogues)
    assert {turn.pair_id for each in dialogues for turn in each.turns} <= known
    assert {len(each.turns) for each in dialogues} == {2, 3, 4}
    answerable = [each for each in dialogues if all(turn.pair_id for turn in each.turns)]
    halves = Counter(each.split for each in answerable)
    assert len(answerable) >= 120
    assert halves["tune"] == halves["test"] == len(answerable) / 2


def test_later_turns_of_the_demo_mostly_depend_on_those_before_and_sometimes_change_the_topic():
    for split in ("tune", "test"):
        later = [turn for each in read_dialogues(DEMO, split) for turn in each.turns[1:] if turn.pair_id]
        assert 0.66 <= sum(turn.depends for turn in later) / len(later) <= 0.85


def test_no_turn_of_the_demo_asks_for_what_was_just_answered_and_none_is_a_text_of_its_pairs(demo_pairs):
    known = {text.casefold().strip() for pair in demo_pairs for text in (pair["question"], *pair["phrasings"])}
    for dialogue in read_dialogues(DEMO):
        gold = [turn.pair_id for turn in dialogue.turns]
        assert all(one != other for one, other in pairwise(gold))
        assert not {turn.question.casefold().strip() for turn in dialogue.turns} & known
