import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from fakes_bot import ASKED_SHOP, DIMENSION, SHOP, serving
from fakes_encoder import FakeEncoder
from fakes_kb import pair, turn
from sqlalchemy import update

from bot.build import load_bot, open_frontdesk, open_replayer
from bot.config import Config, FollowUpConfig
from bot.indexing import INDEX, update_index
from bot.live import LiveBot
from bot.policy import PolicyConfig
from bot.replay import Replayer
from kb.database import writing
from kb.errors import InputError, NotFoundError
from kb.log import ConversationLog
from kb.manifest import kept_manifests
from kb.store import KnowledgeStore
from kb.tables import TurnRow
from kb.types import ZERO_SHOT
from web.service import ChatService

pytest_plugins = ("fakes_promotion",)

QUESTION = "Where is my order?"
ASKED = [text for each in ASKED_SHOP for text in (each.question, *each.phrasings, f"{each.question} realy?")]
ASKED += ["is it raining in lisbon", "订单在哪里", "🙂", "tell me a joke about goats"]
TURNS, IN_A_CONVERSATION = 200, 5


@pytest.fixture
def chat(tmp_path, config):
    """Opens the service as `frontdesk serve` does, by default as it is configured; closes it at the end."""
    opened = []

    def call(settings=config):
        opened.append(open_frontdesk(tmp_path, settings))
        return ChatService(opened[-1].bot, opened[-1].log, settings.web)

    yield call
    for each in opened:
        each.close()


@pytest.fixture
def log(sqlite_engine):
    return ConversationLog(sqlite_engine)


@pytest.fixture
def replayer(tmp_path, config, log, store):
    return lambda settings=config: open_replayer(tmp_path, log, store, settings)


def logged(log, answered):
    return log.turn(answered.conversation_id, answered.reply.turn_id)


def fields(replay):
    return [each.field for each in replay.differences]


def test_200_turns_of_conversations_held_at_once_are_the_same_to_the_last_bit(tmp_path, sqlite_engine, log):
    """With an encoder that knows words, so that some of it is not answered; the demo's test has a real one."""
    config, models_of = Config(), serving(FakeEncoder(dimension=DIMENSION))
    load = partial(load_bot, tmp_path, models_of, config)
    store = KnowledgeStore(sqlite_engine)
    store.upsert(ASKED_SHOP)
    update_index(store, models_of, tmp_path, config)
    live = LiveBot(tmp_path / INDEX, load)
    service = ChatService(live, log)
    questions = [ASKED[at % len(ASKED)] for at in range(TURNS)]

    def talk(begin):
        conversation_id = None
        for question in questions[begin : begin + IN_A_CONVERSATION]:
            answered = service.ask(question, conversation_id)
            conversation_id = answered.conversation_id
            service.vote(conversation_id, answered.reply.turn_id, 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, range(0, TURNS, IN_A_CONVERSATION)))
    live.close()
    turns = log.newest(TURNS)
    assert sorted(each.question for each in turns) == sorted(questions)
    assert {each.outcome for each in turns} == {"answered", "abstained", "handed_over"}
    assert any(each.reply["explanation"]["told"]["history"] for each in turns)
    replayer = Replayer(log, tmp_path / INDEX, load=load, build=load)
    replays = [replayer.replay(each) for each in turns]
    assert [each.status for each in replays] == ["identical"] * TURNS
    assert [each.replayed.confidence for each in replays] == [each.confidence for each in turns]
    assert all(each.replayed == each.logged for each in replays)


def test_a_turn_is_answered_with_the_history_that_it_had(index, chat, log, replayer):
    index()
    service = chat()
    first = service.ask(QUESTION)
    second = service.ask("How much is delivery?", first.conversation_id)
    service.clear(first.conversation_id)
    third = service.ask("How much is delivery?", first.conversation_id)
    told = [each.reply.explanation.told.history for each in (first, second, third)]
    assert told == [(), (first.reply.turn_id,), ()]
    # What was shown before is not offered again: the history made a difference.
    assert second.reply.follow_ups != third.reply.follow_ups
    for answered in (first, second, third):
        assert replayer().replay(log.any_turn(answered.reply.turn_id)).status == "identical"


def test_the_history_has_the_votes_of_its_time(index, chat, log):
    index()
    service = chat()
    first = service.ask(QUESTION)
    place = (first.conversation_id, first.reply.turn_id)
    service.vote(*place, 1)
    second = service.ask(QUESTION, first.conversation_id)
    service.vote(*place, -1)
    ids = second.reply.explanation.told.history
    (before,) = log.turns_at(first.conversation_id, ids, logged(log, second).created_at)
    assert (before.vote, logged(log, first).vote) == (1, -1)


def test_another_configuration_is_told_of_and_what_it_changes_is_named(index, chat, log, replayer, config):
    index()
    answered = chat().ask(QUESTION)
    other = replace(config, policy=PolicyConfig(threshold=0.999999))
    replay = replayer(other).replay(logged(log, answered))
    assert (replay.status, replay.same_settings) == ("different", False)
    assert {"outcome", "message", "explanation.threshold", "explanation.reason"} <= set(fields(replay))


def test_another_configuration_that_changes_nothing_is_told_of_all_the_same(index, chat, log, replayer, config):
    index()
    answered = chat().ask(QUESTION)
    other = replace(config, follow_ups=FollowUpConfig(popular=5))
    replay = replayer(other).replay(logged(log, answered))
    assert (replay.status, replay.same_settings) == ("identical", False)


def test_a_confidence_that_differs_in_its_last_bit_is_different(index, chat, log, replayer, sqlite_engine):
    index()
    answered = chat().ask(QUESTION)
    found = logged(log, answered)
    # Which float64 comes next: float32 values have a neighbour that prints the same in few digits.
    changed = found.reply | {"confidence": found.confidence * (1 + 2**-52)}
    with writing(sqlite_engine) as connection:
        connection.execute(update(TurnRow).values(reply=changed))
    replay = replayer().replay(logged(log, answered))
    assert fields(replay) == ["confidence"]
    assert replay.differences[0].replayed == found.confidence


def test_a_snapshot_that_is_no_longer_kept_is_told_of_with_those_that_are(index, chat, log, replayer, tmp_path):
    first = index()
    answered = chat().ask(QUESTION)
    second = index(force=True)
    shutil.rmtree(tmp_path / INDEX / first.snapshot_id)
    replay = replayer().replay(logged(log, answered))
    assert (replay.status, replay.replayed) == ("failed", None)
    assert replay.problem.startswith(f"expected snapshot {first.snapshot_id}")
    assert f"only {second.snapshot_id} (checkpoint zero-shot, version 1)" in replay.problem


def test_a_turn_of_an_older_snapshot_is_answered_from_it_as_long_as_it_is_kept(index, chat, log, replayer, store):
    index()
    answered = chat().ask(QUESTION)
    store.upsert([replace(SHOP[0], answer="Somewhere else.")])
    index()
    replay = replayer().replay(logged(log, answered))
    assert replay.status == "identical"
    assert replay.replayed.snapshot == answered.reply.snapshot


def test_under_a_checkpoint_that_serves_the_turn_is_answered_by_its_snapshot(
    index, chat, log, replayer, to, checkpoints, tmp_path
):
    answered = chat().ask("how can I send this back")
    to(checkpoints[0])
    replay = replayer().replay(logged(log, answered), checkpoints[0])
    assert replay.status == "different"
    assert replay.replayed.snapshot.checkpoint == checkpoints[0]
    assert replay.replayed.snapshot.index == kept_manifests(tmp_path / INDEX)[0].snapshot_id
    assert replay.logged.snapshot.checkpoint == ZERO_SHOT


def test_under_a_checkpoint_that_never_served_a_bot_is_made_in_memory_and_nothing_is_published(
    index, chat, log, replayer, checkpoints, tmp_path
):
    index()
    answered = chat().ask("how can I send this back")
    before = [each.snapshot_id for each in kept_manifests(tmp_path / INDEX)]
    replay = replayer().replay(logged(log, answered), checkpoints[1])
    snapshot = replay.replayed.snapshot
    assert (snapshot.checkpoint, snapshot.index, snapshot.knowledge_version) == (checkpoints[1], "memory", "1")
    assert [each.snapshot_id for each in kept_manifests(tmp_path / INDEX)] == before


def test_a_bot_made_in_memory_answers_like_the_snapshot_that_is_published_of_it(
    index, chat, log, replayer, to, checkpoints
):
    answered = chat().ask("how can I send this back")
    in_memory = replayer().replay(logged(log, answered), checkpoints[0])
    to(checkpoints[0])
    published = replayer().replay(logged(log, answered), checkpoints[0])
    assert replace(published.replayed, snapshot=in_memory.replayed.snapshot) == in_memory.replayed


def test_of_the_snapshots_under_a_checkpoint_the_one_of_the_turns_knowledge_counts(index, chat, log, replayer, store):
    first = index()
    answered = chat().ask(QUESTION)
    store.upsert([pair("Do you repair jackets?", "Yes.", pair_id="repair")])
    index()
    replay = replayer().replay(logged(log, answered), ZERO_SHOT)
    assert (replay.status, replay.replayed.snapshot.index) == ("identical", first.snapshot_id)


def test_what_was_shown_more_or_less_is_named(index, chat, log, replayer, config):
    index()
    answered = chat().ask(QUESTION)
    fewer = replace(config, follow_ups=FollowUpConfig(count=len(answered.reply.follow_ups) - 1))
    (difference,) = replayer(fewer).replay(logged(log, answered)).differences
    assert difference.field == f"follow_ups.{len(answered.reply.follow_ups) - 1}"
    assert (difference.logged["pair_id"], difference.replayed) == (answered.reply.follow_ups[-1].pair_id, None)


def test_a_turn_from_before_it_was_logged_what_the_bot_was_told_is_not_replayed(index, chat, log, replayer):
    index()
    found = logged(log, chat().ask(QUESTION))
    told = {name: value for name, value in found.reply["explanation"].items() if name != "told"}
    replay = replayer().replay(replace(found, reply=found.reply | {"explanation": told}))
    assert replay.status == "failed"
    assert "one of an older version" in replay.problem


def test_what_is_no_reply_is_refused(index, replayer):
    index()
    with pytest.raises(InputError, match="expected a reply in the log"):
        replayer().replay(turn("c-1", "t-1"))


def test_an_unknown_turn_is_told_of(log):
    with pytest.raises(NotFoundError, match=r"expected the id of a logged turn; got 'none'; find it with"):
        log.any_turn("none")
