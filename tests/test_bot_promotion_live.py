"""A running bot takes up what is promoted, and keeps what it has where that is damaged."""

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from fakes_checkpoint import ABOUT, damage, drafted, served

from bot.build import CHECKPOINTS, ENCODERS
from bot.indexing import INDEX
from kb.manifest import current_id
from kb.types import ZERO_SHOT
from models.checkpoints import seal
from models.export import ensure_exported
from models.folder import open_model

ROOT = Path(__file__).parent.parent
OFTEN = 0.01
LONG = 60
QUESTION = "Where is my order?"

pytest_plugins = ("fakes_promotion",)


def test_a_running_bot_takes_up_promotion_and_rollback(to, checkpoints, live, back):
    bot = live()
    for change, expected in ((partial(to, checkpoints[0]), checkpoints[0]), (back, ZERO_SHOT)):
        change()
        assert bot.refresh()
        assert bot.answer(QUESTION).snapshot.checkpoint == bot.snapshot().checkpoint == expected


def test_a_running_bot_keeps_the_old_checkpoint_where_the_new_one_is_damaged(to, checkpoints, tmp_path, live, back):
    bot = live()
    to(checkpoints[0])
    damage(tmp_path, checkpoints[0])
    assert not bot.refresh()
    assert "hash" in bot.problem()
    assert bot.answer(QUESTION).snapshot.checkpoint == ZERO_SHOT
    back()
    assert bot.refresh()
    assert bot.problem() is None


def test_swaps_under_concurrent_questions_fail_none_and_each_reply_is_of_one_snapshot(
    to, checkpoints, tmp_path, live, back
):
    bot = live(OFTEN)
    replies, problems, published, done, seen = [], [], {}, threading.Event(), threading.Condition()

    def note():
        published[current_id(tmp_path / INDEX)] = served(tmp_path)[0]
        return current_id(tmp_path / INDEX)

    def ask():
        try:
            while not done.is_set():
                reply = bot.answer("where is my parcel, and can I pay by invoice")
                with seen:
                    replies.append(reply)
                    seen.notify_all()
        except BaseException as error:
            problems.append(error)
            with seen:
                seen.notify_all()

    note()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        one, other = checkpoints
        for change in (partial(to, one), partial(to, other), back, back, partial(to, other)):
            change()
            newest = note()
            with seen:
                assert seen.wait_for(
                    lambda newest=newest: problems or replies[-1].snapshot.index == newest, timeout=LONG
                )
    finally:
        done.set()
        for thread in threads:
            thread.join(LONG)
    assert problems == []
    assert {(each.snapshot.index, each.snapshot.checkpoint) for each in replies} == set(published.items())
    # What a checkpoint answers depends on its encoder: no reply mixes two.
    said = {checkpoint: set() for checkpoint in published.values()}
    for each in replies:
        similarities = tuple(round(shown.similarity, 3) for shown in (*each.responses, *each.explanation.runners_up))
        said[each.snapshot.checkpoint].add(similarities)
    assert [len(each) for each in said.values()] == [1, 1, 1]
    assert len(set().union(*said.values())) == 3


SERVE = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["sentence_transformers"] = None
from functools import partial
from pathlib import Path
from bot.build import load_bot, open_models
from bot.config import Config, EncoderConfig
from bot.indexing import INDEX
from kb.manifest import current_id
var, config = Path(sys.argv[1]), Config(encoder=EncoderConfig(runtime="onnx"))
reply = load_bot(var, partial(open_models, var, config), config, current_id(var / INDEX)).answer(sys.argv[2])
print(reply.snapshot.checkpoint, reply.responses[0].question)
"""


def test_with_the_graphs_of_the_checkpoint_serving_needs_no_torch(tiny, to, tmp_path):
    part = drafted(tmp_path / CHECKPOINTS, tiny[1])
    ensure_exported(open_model(str(part / "encoder")), part / "runtime")
    made = seal(part, **ABOUT)
    to(made.checkpoint_id)
    command = [sys.executable, "-c", SERVE, str(tmp_path), QUESTION]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() == f"{made.checkpoint_id} {QUESTION}", done.stderr
    assert not (tmp_path / ENCODERS).exists()
