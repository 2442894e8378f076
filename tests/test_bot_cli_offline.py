"""`frontdesk offline compare` and `frontdesk offline experiment` on a data folder with a log."""

from functools import partial

import pytest
from cli_runner import configured, frontdesk
from explored_log import explored, record
from tiny_model import save_tiny_model

from bot.build import load_bot, open_database, open_models
from bot.cli.common import config_of
from bot.indexing import INDEX
from kb.log import ConversationLog
from kb.manifest import current_id
from kb.types import Assignment, Context

QUESTION = "Where is my order?"
# Short ones fit a button of B, and all fit one of A.
FAQ = """id,question,answer,topic
order,Where is my order?,Open **My orders**.,delivery
short,How much?,Delivery costs 4 euros.,delivery
long,How do I send something back that I no longer want to keep?,Print the label.,returns
other,Do you repair the tents that you sell in your shop in town?,Yes.,repairs
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "mean", 0)


@pytest.fixture
def shop(model, tmp_path):
    """A data folder with four pairs, an index, and two configurations that suggest one question each."""
    var = configured(tmp_path / "var", model)
    (tmp_path / "faq.csv").write_text(FAQ)
    assert frontdesk("import", tmp_path / "faq.csv", "--var", var).code == 0
    for name, more in (("a", "longest = 90"), ("b", "longest = 20")):
        text = (var / "frontdesk.toml").read_text()
        (tmp_path / f"{name}.toml").write_text(f"{text}[follow_ups]\ncount = 1\nexplore = 0\n{more}\n")
    return var


@pytest.fixture
def bot(shop):
    settings = config_of(shop, shop.parent / "a.toml")
    return load_bot(shop, partial(open_models, shop, settings), settings, current_id(shop / INDEX))


@pytest.fixture
def log(shop):
    engine = open_database(shop, config_of(shop, None))
    yield ConversationLog(engine)
    engine.dispose()


@pytest.fixture
def compare(shop):
    def call(*arguments, a="a.toml", b="b.toml"):
        return frontdesk("offline", "compare", shop.parent / a, shop.parent / b, "--var", shop, *arguments)

    return call


@pytest.fixture
def suggested(bot):
    """What A suggests after the question; B suggests the short one."""
    (first,) = bot.answer(QUESTION, Context(turn_id="t", conversation_id="c")).follow_ups
    assert first.pair_id in ("long", "other"), "the tiny model finds a long one nearest"
    return first.pair_id


# compare


def test_the_better_configuration_is_told_from_an_explored_log(compare, log, bot, suggested):
    explored(log, bot, QUESTION, ["short", "long", "other"], wanted="short", size=300)
    document = compare("--json").document
    assert (document["turns"], document["explored"], document["other_snapshot"]) == (300, 300, 0)
    found = document["click_rate"]
    for method in ("ips", "snips", "dr"):
        assert found["b"][method]["value"] == pytest.approx(0.9, abs=0.2)
        assert found["a"][method]["value"] == pytest.approx(0.1, abs=0.1)
        assert found["difference"][method]["interval"][1] < 0
    assert found["b"]["overlap"]["effective"] == found["b"]["overlap"]["matched"] == pytest.approx(100, abs=25)
    assert document["agreement"]["suggestions"]["a_and_b"] == 0.0
    assert document["agreement"]["answers"] == {"a": 1.0, "b": 1.0, "a_and_b": 1.0}
    told = compare()
    for said in ("300 turns answered again", "clicks per suggestion shown", "snips", "effective sample size of 300"):
        assert said in told.out


def test_the_same_configuration_twice_differs_by_nothing(compare, log, bot, suggested):
    explored(log, bot, QUESTION, ["short", suggested], wanted="short", size=60)
    found = compare("--json", b="a.toml").document["click_rate"]
    assert found["difference"]["snips"] == {"value": 0.0, "standard_error": 0.0, "interval": [0.0, 0.0]}


def test_of_a_log_without_exploration_only_agreement_is_told(compare, log, bot, suggested):
    for number in range(5):
        record(log, bot, QUESTION, number, clicked=suggested)
    document = compare("--json").document
    assert document["click_rate"] is None
    assert document["agreement"]["suggestions"] == {"a": 1.0, "b": 0.0, "a_and_b": 0.0}
    assert "no suggestion in the log was explored" in document["notes"][0]
    ran = compare()
    assert (ran.code, "clicks per suggestion" in ran.out) == (0, False)
    assert "nothing is known of what was not shown" in ran.err


def test_a_configuration_that_shows_nothing_of_what_was_logged_has_no_estimate(compare, log, bot, suggested):
    unseen = "other" if suggested == "long" else "long"
    explored(log, bot, QUESTION, ["short", unseen], wanted="short", size=20)
    document = compare("--json").document
    assert document["click_rate"] is None
    assert "A shows nothing of what was logged" in document["notes"][0]


def test_what_is_shown_at_ranks_that_were_not_logged_is_unsupported(compare, log, bot, shop):
    explored(log, bot, QUESTION, ["short", "long", "other"], wanted="short", size=60)
    path = shop.parent / "a.toml"
    path.write_text(path.read_text().replace("count = 1", "count = 3"))
    found = compare("--json").document
    assert found["suggestions_per_turn"] == {"logged": 1.0, "a": 3.0, "b": 1.0}
    assert found["click_rate"]["a"]["overlap"]["unsupported"] == pytest.approx(2 / 3, abs=0.15)
    assert any("was never logged" in each for each in found["notes"])


def test_weights_are_cut_where_that_is_asked_for(compare, log, bot, suggested):
    explored(log, bot, QUESTION, ["short", "long", "other"], wanted="short", size=60)
    found = compare("--json", "--clip", 2).document["click_rate"]
    assert (found["clip"], found["b"]["overlap"]["largest_weight"]) == (2.0, 2.0)
    assert found["b"]["overlap"]["clipped"] == found["b"]["overlap"]["matched"]


def test_votes_and_resolution_are_told_only_where_the_answer_is_as_logged(compare, log, bot, shop):
    path = shop.parent / "b.toml"
    path.write_text(path.read_text() + "[policy]\nthreshold = 1.0\n")
    for number, vote in enumerate((1, 1, -1, 0)):
        record(log, bot, QUESTION, number, vote=vote)
    document = compare("--json").document
    assert document["votes"]["logged"] == document["votes"]["a"]["share"] == pytest.approx(2 / 3)
    assert document["votes"]["b"] == {"n": 0, "share": None, "interval": None}
    assert document["votes"]["difference"] is document["resolution"]["difference"] is None
    assert (document["resolution"]["n"], document["resolution"]["logged"]) == (4, 0.5)
    assert any("answers are not explored" in each for each in document["notes"])


def test_turns_under_another_snapshot_are_told_of(compare, log, bot, shop):
    explored(log, bot, QUESTION, ["short", "long", "other"], wanted="short", size=10)
    assert frontdesk("index", "--force", "--var", shop).code == 0
    document = compare("--json").document
    assert (document["turns"], document["other_snapshot"]) == (10, 10)
    assert "10 were logged under another snapshot" in compare().out


def test_earlier_turns_are_left_out_with_since(compare, log, bot):
    explored(log, bot, QUESTION, ["short", "long", "other"], wanted="short", size=60)
    assert compare("--json", "--since", "2026-01-05T00:50:00").document["turns"] == 10
    ran = compare("--since", "2027-01-01")
    assert (ran.code, ran.out) == (2, "")
    assert "expected turns in the log that can be answered again; got none" in ran.err


def test_an_empty_log_is_an_error(compare):
    ran = compare("--json")
    assert (ran.code, ran.out) == (2, "")
    assert "got none; let customers ask first" in ran.err


@pytest.mark.parametrize(("text", "message"), [("[follow_ups]\ncounts = 1", "counts"), ("[follow", "expected a TOML")])
def test_a_configuration_that_cannot_be_read_is_an_error_that_names_it(compare, shop, text, message):
    (shop.parent / "b.toml").write_text(text)
    ran = compare()
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "b.toml" in ran.err


# experiment


def split(number, arm):
    return {"number": number, "experiment": Assignment(name="one", arm=arm, share=0.5)}


def test_arms_are_compared_by_conversation(shop, log, bot, suggested):
    for number in range(200):
        arm = "AB"[number % 2]
        clicked = suggested if arm == "B" or number % 8 == 0 else ""
        record(log, bot, QUESTION, **split(number, arm), clicked=clicked)
    document = frontdesk("offline", "experiment", "--var", shop, "--json").document
    assert (document["name"], document["mode"], document["conversations"]) == ("one", "split", 200)
    assert (document["a"]["clicked"], document["b"]["clicked"]) == (0.25, 1.0)
    assert (document["a"]["clicks_per_suggestion"], document["b"]["suggestions"]) == (0.25, 100)
    found = document["difference"]["clicked"]
    assert found["decided_at"] < 200
    assert found["p_value"] < 0.001
    assert document["difference"]["voted_up"]["decided_at"] is None
    told = frontdesk("offline", "experiment", "--var", shop).out
    assert "clicked: B - A +7" in told
    assert "they differ" in told
    assert "voted_up: B - A +0.00% (too little for an interval); no difference shown yet (p 1.000)" in told


def test_clicks_on_a_mixed_list_are_credited_to_the_teams(shop, log, bot):
    for number in range(30):
        teams = ("A", "B") if number % 2 else ("B", "A")
        mixed = Assignment(name="two", arm="mixed", share=0.5, teams=teams)
        given = [("short", 0.5), ("long", 1.0)] if number % 2 else [("long", 0.5), ("short", 1.0)]
        record(log, bot, QUESTION, number, given, clicked="short" if number % 5 else "long", experiment=mixed)
    document = frontdesk("offline", "experiment", "--var", shop, "--json").document
    assert document["clicks"] == document["preferring"] == {"A": 24, "B": 6}
    assert document["preference"]["p_value"] < 0.05
    assert "conversations that prefer: A 24, B 6" in frontdesk("offline", "experiment", "--var", shop).out


def test_of_several_experiments_one_has_to_be_named(shop, log, bot):
    for number, name in enumerate(("one", "two")):
        record(log, bot, QUESTION, number, experiment=Assignment(name=name, arm="A", share=0.5))
    ran = frontdesk("offline", "experiment", "--var", shop)
    assert (ran.code, "in the log one, two; give one with --name" in ran.err) == (2, True)
    named = frontdesk("offline", "experiment", "--name", "two", "--var", shop, "--json").document
    assert (named["conversations"], named["b"]["clicked"]) == (1, None)


def test_a_share_that_was_changed_on_the_way_is_an_error(shop, log, bot):
    for number, share in enumerate((0.5, 0.2)):
        record(log, bot, QUESTION, number, experiment=Assignment(name="one", arm="A", share=share))
    ran = frontdesk("offline", "experiment", "--var", shop)
    assert (ran.code, "got 0.2, 0.5; give an experiment another name" in ran.err) == (2, True)


def test_an_experiment_that_is_not_in_the_log_is_an_error(shop):
    assert "got none configured, and in the log none" in frontdesk("offline", "experiment", "--var", shop).err
    ran = frontdesk("offline", "experiment", "--name", "x", "--var", shop)
    assert (ran.code, "which is none yet; got 'x'" in ran.err) == (2, True)
