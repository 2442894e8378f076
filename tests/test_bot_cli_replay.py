"""`frontdesk replay` and `frontdesk ask --explain`."""

import json
import shutil

import pytest
from cli_runner import FAQ, configured, frontdesk
from fakes_checkpoint import make_checkpoint
from tiny_model import save_tiny_model

from bot.build import CHECKPOINTS
from bot.indexing import INDEX
from kb.manifest import current_id

QUESTION = "Where is my order?"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_model(folder / f"tiny-{seed}", "mean", seed) for seed in range(2)]


@pytest.fixture
def shop(models, tmp_path):
    """A data folder with three pairs and their index."""
    var = configured(tmp_path / "var", models[0])
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    assert frontdesk("import", path, "--var", var).code == 0
    return var


@pytest.fixture
def asked(shop):
    """Three turns of one conversation, oldest first."""
    found = [frontdesk("ask", QUESTION, "--var", shop, "--json").document]
    for question in ("How much is delivery?", "is it raining in lisbon"):
        place = ("--conversation", found[0]["conversation_id"])
        found.append(frontdesk("ask", question, "--var", shop, *place, "--json").document)
    return found


def test_a_turn_is_replayed_by_its_id(shop, asked):
    ran = frontdesk("replay", asked[1]["turn_id"], "--var", shop)
    assert (ran.code, ran.out) == (0, f"{asked[1]['turn_id']}  identical  How much is delivery?\n")


def test_the_newest_turns_are_replayed_oldest_first(shop, asked):
    ran = frontdesk("replay", "--last", 2, "--var", shop, "--json")
    assert (ran.code, ran.document["turns"], ran.document["identical"]) == (0, 2, 2)
    replays = ran.document["replays"]
    assert [each["turn_id"] for each in replays] == [each["turn_id"] for each in asked[1:]]
    assert all(each["logged"] == each["replayed"] for each in replays)
    assert replays[1]["logged"]["explanation"]["told"]["history"] == [each["turn_id"] for each in asked[:2]]
    assert frontdesk("replay", "--last", 9, "--var", shop).out == (
        "3 turns replayed: 3 identical, 0 different, 0 failed\n"
    )


def test_what_came_out_otherwise_is_named_with_exit_code_1_and_a_note_on_the_configuration(shop, asked, models):
    configured(shop, models[0], "[follow_ups]\ncount = 1\n[selection]\nrunners_up = 1\n")
    ran = frontdesk("replay", asked[0]["turn_id"], "--var", shop)
    assert ran.code == 1
    first, *lines = ran.out.splitlines()
    assert first == f"{asked[0]['turn_id']}  different  {QUESTION}"
    assert all(line.startswith(("  follow_ups.", "  explanation.runners_up.")) for line in lines)
    assert lines[-1].endswith(" → nothing")
    assert "configured otherwise" in ran.err
    document = frontdesk("replay", asked[0]["turn_id"], "--var", shop, "--json").document
    assert (document["different"], document["replays"][0]["same_settings"]) == (1, False)


def test_a_snapshot_that_is_gone_is_told_of_with_exit_code_2(shop, asked):
    old = current_id(shop / INDEX)
    assert frontdesk("index", "--force", "--var", shop).code == 0
    shutil.rmtree(shop / INDEX / old)
    ran = frontdesk("replay", "--last", 3, "--var", shop)
    assert ran.code == 2
    assert ran.out.count(f"expected snapshot {old}, which answered the turn; got only ") == 3
    assert "3 turns replayed: 0 identical, 0 different, 3 failed" in ran.out


def test_under_another_checkpoint_both_answers_are_shown(shop, asked, models):
    checkpoint = make_checkpoint(shop / CHECKPOINTS, models[1]).checkpoint_id
    ran = frontdesk("replay", asked[0]["turn_id"], "--checkpoint", checkpoint[:-2], "--var", shop)
    assert ran.code == 1
    assert checkpoint in " ".join(ran.out.split())
    for named in ("logged", "replayed", "zero-shot", "memory", "confidence", "Open **My orders**."):
        assert named in ran.out


def test_a_log_without_turns_has_nothing_to_replay(shop):
    ran = frontdesk("replay", "--last", 5, "--var", shop)
    assert (ran.code, ran.out) == (0, "0 turns replayed: 0 identical, 0 different, 0 failed\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected the id of a turn, or --last; got neither"),
        (("t-1", "--last", "2"), "expected the id of a turn, or --last; got both"),
        (("none",), "expected the id of a logged turn; got 'none'; find it with"),
        (("t-1", "--checkpoint", "none"), "expected the id of"),
        (("--last", "-1"), ""),
    ],
)
def test_what_cannot_be_replayed_is_refused(shop, arguments, message):
    ran = frontdesk("replay", *arguments, "--var", shop)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


# ask --explain


def test_ask_explains_for_people(shop):
    ran = frontdesk("ask", QUESTION, "--explain", "--var", shop)
    for said in (
        "Why: ",
        f"matched         {QUESTION}  (similarity 1.000, ",
        "confidence",
        "words  ",
        "snapshot",
    ):
        assert said in ran.out
    assert ran.out.count("not shown") == 2


def test_ask_explains_in_json(shop):
    document = frontdesk("ask", QUESTION, "--explain", "--var", shop, "--json").document
    assert [each["word"] for each in document["attribution"]["words"]] == ["Where", "is", "my", "order?"]
    assert document["attribution"]["pair_id"] == document["responses"][0]["pair_id"]
    assert "attribution" not in frontdesk("ask", QUESTION, "--var", shop, "--json").document
    assert json.dumps(document)
