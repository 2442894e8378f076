import threading
from dataclasses import replace

import pytest
from fakes_bot import DIMENSION, SHOP, serving
from fakes_encoder import FakeEncoder

from bot.build import load_bot
from bot.config import Config
from bot.indexing import INDEX, update_index
from bot.live import LiveBot
from kb.errors import ConfigError, IndexDamagedError, IndexMissingError, MessageError
from kb.manifest import CURRENT, activate, current_id
from kb.store import KnowledgeStore
from kb.types import Context

CONFIG = Config()
ENCODER = FakeEncoder(dimension=DIMENSION)
NEVER = 3_600.0
OFTEN = 0.01
QUESTION = "Where is my order?"
LONG = 30


@pytest.fixture
def publish(sqlite_engine, tmp_path):
    """Publishes the shop with another answer to where an order is; gives the id of the snapshot."""
    store = KnowledgeStore(sqlite_engine)
    store.upsert(SHOP)

    def call(answer="Open **My orders**.", encoder=ENCODER):
        store.upsert([replace(SHOP[0], answer=answer)])
        return update_index(store, serving(encoder), tmp_path, CONFIG, force=True).snapshot_id

    return call


@pytest.fixture
def live(tmp_path):
    """Makes a LiveBot over the data folder, and closes it at the end."""
    made = []

    def call(poll_s=NEVER, load=None):
        load = load or (lambda name: load_bot(tmp_path, serving(ENCODER), CONFIG, name))
        made.append(LiveBot(tmp_path / INDEX, load, poll_s=poll_s))
        return made[-1]

    yield call
    for each in made:
        each.close()


def damage(folder, name="vectors.faiss"):
    """Flip a byte in the middle of a file of a snapshot."""
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def answer_of(bot):
    return bot.answer(QUESTION).responses[0].answer


def test_without_an_index_there_is_no_bot(live):
    with pytest.raises(IndexMissingError, match="run `frontdesk index`, or `frontdesk demo`"):
        live()


def test_a_damaged_index_is_no_beginning(publish, live, tmp_path):
    damage(tmp_path / INDEX / publish())
    with pytest.raises(IndexDamagedError, match="frontdesk index"):
        live()


def test_it_answers_and_completes_from_the_current_snapshot(publish, live):
    snapshot_id = publish("Look here.")
    bot = live()
    assert answer_of(bot) == "Look here."
    assert bot.snapshot().index == bot.answer(QUESTION).snapshot.index == snapshot_id
    assert bot.complete("where") == [QUESTION]
    assert bot.attribute(QUESTION, "track").snapshot == bot.snapshot()
    assert (bot.ready(), bot.problem()) == (None, None)


def test_context_and_errors_pass_through(publish, live):
    publish()
    bot = live()
    assert bot.answer(QUESTION, Context(turn_id="t-1")).turn_id == "t-1"
    with pytest.raises(MessageError):
        bot.answer(" ")


def test_a_new_snapshot_is_taken_up(publish, live):
    publish("Old.")
    bot = live()
    new = publish("New.")
    assert answer_of(bot) == "Old."
    assert bot.refresh()
    assert (answer_of(bot), bot.snapshot().index) == ("New.", new)
    assert not bot.refresh()


def test_the_watcher_takes_up_a_new_snapshot_by_itself(publish, live, tmp_path):
    publish("Old.")
    loaded = threading.Event()
    publishing = threading.Event()

    def load(name):
        bot = load_bot(tmp_path, serving(ENCODER), CONFIG, name)
        if publishing.is_set():
            loaded.set()
        return bot

    bot = live(OFTEN, load)
    publishing.set()
    publish("New.")
    assert loaded.wait(LONG)
    bot.close()
    assert answer_of(bot) == "New."


def test_completion_follows_the_snapshot(publish, live, sqlite_engine, tmp_path):
    publish()
    bot = live()
    KnowledgeStore(sqlite_engine).retire(["track"])
    update_index(KnowledgeStore(sqlite_engine), serving(ENCODER), tmp_path, CONFIG)
    bot.refresh()
    assert bot.complete("where") == []


@pytest.mark.parametrize("name", ["vectors.faiss", "pairs.jsonl", "calibration.json", "manifest.json"])
def test_a_damaged_snapshot_is_refused_with_the_remedy_and_the_old_one_keeps_serving(publish, live, tmp_path, name):
    old = publish("Old.")
    bot = live()
    new = publish("New.")
    (tmp_path / INDEX / new / name).write_bytes(b"{")
    assert not bot.refresh()
    assert (answer_of(bot), bot.snapshot().index) == ("Old.", old)
    assert "frontdesk index" in bot.problem()
    assert bot.ready() is None


def test_one_flipped_byte_is_enough_to_be_refused(publish, live, tmp_path):
    publish("Old.")
    bot = live()
    damage(tmp_path / INDEX / publish("New."))
    assert not bot.refresh()
    assert "hash" in bot.problem()
    assert answer_of(bot) == "Old."


def test_a_snapshot_of_another_encoder_is_refused_and_the_old_one_keeps_serving(publish, live):
    publish("Old.")
    bot = live()
    publish("New.", FakeEncoder(encoder_id="other", dimension=DIMENSION))
    assert not bot.refresh()
    assert "expected an index of encoder fake" in bot.problem()
    assert answer_of(bot) == "Old."


def test_a_snapshot_of_another_dimension_is_refused_and_the_old_one_keeps_serving(publish, live):
    publish("Old.")
    bot = live()
    publish("New.", FakeEncoder(encoder_id=ENCODER.encoder_id, dimension=16))
    assert not bot.refresh()
    assert "16 dimensions" in bot.problem()
    assert answer_of(bot) == "Old."


def test_a_refused_snapshot_is_read_once_and_not_at_every_look(publish, live, tmp_path):
    publish()
    names = []

    def load(name):
        names.append(name)
        return load_bot(tmp_path, serving(ENCODER), CONFIG, name)

    bot = live(load=load)
    damage(tmp_path / INDEX / publish())
    assert [bot.refresh() for _ in range(3)] == [False] * 3
    assert len(names) == 2


def test_after_a_refused_snapshot_the_next_whole_one_is_taken_up_and_the_problem_is_gone(publish, live, tmp_path):
    publish("Old.")
    bot = live()
    damage(tmp_path / INDEX / publish("Broken."))
    bot.refresh()
    publish("Mended.")
    assert bot.refresh()
    assert answer_of(bot) == "Mended."
    assert bot.problem() is None


def test_after_a_rollback_to_the_snapshot_in_service_there_is_no_problem_left(publish, live, tmp_path):
    old = publish("Old.")
    bot = live()
    damage(tmp_path / INDEX / publish("Broken."))
    bot.refresh()
    activate(tmp_path / INDEX, old)
    bot.refresh()
    assert (answer_of(bot), bot.problem()) == ("Old.", None)


def test_a_rollback_is_taken_up_like_a_new_snapshot(publish, live, tmp_path):
    old = publish("Old.")
    publish("New.")
    bot = live()
    activate(tmp_path / INDEX, old)
    assert bot.refresh()
    assert answer_of(bot) == "Old."


def test_when_the_index_is_lost_answers_go_on_and_it_is_not_ready_until_it_is_back(publish, live, tmp_path):
    current = publish("Old.")
    bot = live()
    (tmp_path / INDEX / CURRENT).unlink()
    assert not bot.refresh()
    assert answer_of(bot) == "Old."
    assert "run `frontdesk index`" in bot.ready()
    assert bot.problem()
    activate(tmp_path / INDEX, current)
    bot.refresh()
    assert (bot.ready(), bot.problem()) == (None, None)


def test_an_unexpected_error_while_loading_leaves_the_watcher_at_work(publish, live, tmp_path):
    publish("Old.")
    failed = threading.Event()
    loaded = threading.Event()
    first = current_id(tmp_path / INDEX)

    def load(name):
        if name != first and not failed.is_set():
            failed.set()
            raise MemoryError
        bot = load_bot(tmp_path, serving(ENCODER), CONFIG, name)
        if name != first:
            loaded.set()
        return bot

    bot = live(OFTEN, load)
    publish("New.")
    assert failed.wait(LONG)
    assert loaded.wait(LONG)
    bot.close()
    assert answer_of(bot) == "New."


def test_closing_ends_the_watcher(publish, live):
    publish()
    before = set(threading.enumerate())
    bot = live(OFTEN)
    (watcher,) = set(threading.enumerate()) - before
    bot.close()
    assert not watcher.is_alive()


def test_20_publishes_while_threads_answer_give_no_error_and_each_reply_is_of_one_snapshot(publish, live):
    published = {publish("Answer 0."): "Answer 0."}
    bot = live(OFTEN)
    replies, problems = [], []
    done = threading.Event()

    def ask():
        try:
            while not done.is_set():
                reply = bot.answer(QUESTION)
                replies.append((reply.snapshot.index, reply.responses[0].answer))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 21):
            text = f"Answer {number}."
            published[publish(text)] = text
    finally:
        done.set()
        for thread in threads:
            thread.join(LONG)
    bot.close()
    bot.refresh()
    assert problems == []
    assert {(index, answer) for index, answer in replies} <= set(published.items())
    assert answer_of(bot) == "Answer 20."
    assert bot.problem() is None


def test_rules_are_taken_up_with_the_next_snapshot(publish, live, tmp_path):
    publish()
    bot = live()
    (tmp_path / "rules.toml").write_text('[[hand_over]]\ncontains = ["order"]\nreason = "test"\n')
    assert bot.answer(QUESTION).outcome == "answered"
    publish("Changed.")
    assert bot.refresh()
    assert bot.answer(QUESTION).explanation.rules == ("hand_over 1",)


@pytest.mark.parametrize("text", ["[[never]]\npairs = ['gone']\n", "[[never]\n", "[[sometimes]]\n"])
def test_with_broken_rules_the_old_bot_goes_on_and_a_new_one_does_not_begin(publish, live, tmp_path, text):
    first = publish("Before.")
    bot = live()
    (tmp_path / "rules.toml").write_text(text)
    publish("After.")
    assert not bot.refresh()
    assert (answer_of(bot), bot.snapshot().index) == ("Before.", first)
    assert "rules" in bot.problem()
    with pytest.raises(ConfigError, match="rules"):
        live()
    (tmp_path / "rules.toml").write_text("")
    publish("Mended.")
    assert bot.refresh()
    assert answer_of(bot) == "Mended."
