"""Arms by conversation, two rankings in one list, and the record of both."""

from dataclasses import replace

import pytest

from bot.build import open_frontdesk, open_replayer
from bot.config import arm_b_of, from_mapping, load_config, settings_hash
from bot.experiment import MIXED, ExperimentConfig, assigned, drafted
from kb.codec import reply_from_json, reply_to_json
from kb.errors import ConfigError
from kb.log import ConversationLog
from kb.retriever import RetrievalConfig
from kb.types import FollowUp
from web.service import ChatService

pytest_plugins = ("fakes_promotion",)

QUESTION = "Where is my order?"
SPLIT = ExperimentConfig(name="one", share=0.5, follow_ups={"count": 1})
MIXING = ExperimentConfig(name="two", mode="interleave", follow_ups={"diversity": 1.0, "transition_weight": 0.0})


@pytest.fixture
def chat(index, tmp_path, config):
    """Opens the service of an indexed shop with an experiment; closes it at the end."""
    index()
    opened = []

    def call(experiment):
        opened.append(open_frontdesk(tmp_path, replace(config, experiment=experiment)))
        return ChatService(opened[-1].bot, opened[-1].log)

    yield call
    for each in opened:
        each.close()


def follow_up(pair_id, rank):
    return FollowUp(pair_id=pair_id, question=pair_id, similarity=0.5, relevance=0.5, rank=rank)


def arm(reply):
    return reply.explanation.experiment.arm


# The draw


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_so_many_conversations_are_in_arm_b(share):
    config = ExperimentConfig(name="one", share=share)
    arms = [assigned(config, f"conversation-{each}").arm for each in range(2000)]
    assert arms.count("B") / 2000 == pytest.approx(share, abs=0.04)


def test_a_conversation_stays_in_its_arm_and_another_experiment_draws_anew():
    ids = [f"conversation-{each}" for each in range(2000)]
    first, again, other = ([assigned(replace(SPLIT, name=name), each).arm for each in ids] for name in ("x", "x", "y"))
    assert first == again
    same = sum(one == two for one, two in zip(first, other, strict=True))
    assert same / 2000 == pytest.approx(0.5, abs=0.05)


def test_what_has_no_conversation_is_in_arm_a():
    assert assigned(replace(SPLIT, share=1.0), "").arm == "A"


# Two rankings in one list


def test_suggestions_of_both_arms_get_their_ranks_propensities_and_teams():
    ours, theirs = [[follow_up(each, rank) for rank, each in enumerate(names, 1)] for names in ("ab", "cd")]
    found, arm = drafted(assigned(MIXING, "c"), ours, theirs, "t-1")
    assert [each.rank for each in found] == [1, 2]
    assert {each.pair_id for each in found} == {"a", "c"}
    assert [each.propensity for each in found] == [0.5, 1.0]
    assert arm.teams == tuple("A" if each.pair_id == "a" else "B" for each in found)
    assert drafted(assigned(MIXING, "c"), ours, theirs, "t-1") == (found, arm)


def test_lists_of_different_length_are_drafted_to_the_longer_one():
    found, arm = drafted(assigned(MIXING, "c"), [follow_up("a", 1)], [follow_up(each, 1) for each in "bcd"], "t-1")
    assert (len(found), arm.teams.count("A")) == (3, 1)


# In service


def test_both_arms_answer_each_with_its_settings_and_the_arm_is_recorded(chat, sqlite_engine):
    service, log = chat(SPLIT), ConversationLog(sqlite_engine)
    found = [service.ask(QUESTION) for _ in range(12)]
    by_arm = {name: [each for each in found if arm(each.reply) == name] for name in "AB"}
    assert by_arm["A"]
    assert by_arm["B"]
    assert {len(each.reply.follow_ups) for each in by_arm["B"]} == {1}
    assert {len(each.reply.follow_ups) for each in by_arm["A"]} == {3}
    assert len({each.reply.responses for each in found}) == 1
    logged = log.turn(found[0].conversation_id, found[0].reply.turn_id)
    assert logged.reply["explanation"]["experiment"] == {
        "name": "one",
        "arm": arm(found[0].reply),
        "share": 0.5,
        "teams": [],
    }


def test_a_mixed_list_has_suggestions_of_both_and_is_replayed_the_same(chat, tmp_path, config, store, sqlite_engine):
    service, log = chat(MIXING), ConversationLog(sqlite_engine)
    found = [service.ask(QUESTION) for _ in range(8)]
    for each in found:
        assert arm(each.reply) == MIXED
        assert len(each.reply.explanation.experiment.teams) == len(each.reply.follow_ups) == 3
    assert len({each.reply.explanation.experiment.teams for each in found}) > 1
    replayer = open_replayer(tmp_path, log, store, replace(config, experiment=MIXING))
    assert {replayer.replay(turn).status for turn in log.newest(8)} == {"identical"}


def test_without_an_experiment_nothing_is_recorded(chat):
    assert chat(ExperimentConfig()).ask(QUESTION).reply.explanation.experiment is None


def test_the_record_comes_back_from_json(chat):
    reply = chat(MIXING).ask(QUESTION).reply
    assert reply_from_json(reply_to_json(reply)) == reply
    document = reply_to_json(reply)
    del document["explanation"]["experiment"]
    assert reply_from_json(document).explanation.experiment is None


# Configuration


def test_arm_b_differs_in_what_the_experiment_names(tmp_path):
    path = tmp_path / "frontdesk.toml"
    path.write_text(
        '[follow_ups]\ncount = 2\n[experiment]\nname = "x"\n[experiment.follow_ups]\ndiversity = 0.9\n'
        "[experiment.selection]\nresponses = 1\n"
    )
    config = load_config(path)
    other = arm_b_of(config)
    assert (other.follow_ups.count, other.follow_ups.diversity, other.selection.responses) == (2, 0.9, 1)
    assert config.follow_ups.diversity != 0.9


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[experiment.follow_ups]\ncounts = 1", "experiment: follow_ups: counts"),
        ("[experiment.selection]\ndiversity = 2", "experiment: selection: diversity = 2"),
        ("[experiment]\nshare = 1.5", "experiment: share = 1.5"),
        ("[experiment]\nmode = 'both'", "expected split or interleave"),
    ],
)
def test_what_arm_b_cannot_be_is_an_error_when_the_file_is_read(text, named, tmp_path):
    path = tmp_path / "frontdesk.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_config(path)


def test_an_experiment_counts_among_the_settings(config):
    other = from_mapping(type(config), {"experiment": {"name": "x"}}, "test", config)
    assert settings_hash(other, RetrievalConfig()) != settings_hash(config, RetrievalConfig())
