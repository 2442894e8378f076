import json
import resource
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import pytest
from fakes_bot import SHOP
from fakes_checkpoint import ABOUT, drafted, make_checkpoint
from fakes_kb import pair
from tiny_model import save_tiny_model

from bot.build import CHECKPOINTS, ENCODERS, load_bot, open_frontdesk, open_models
from bot.config import Config, EncoderConfig
from bot.indexing import INDEX, VECTORS, update_index
from bot.live import LiveBot
from bot.promotion import promote, rollback
from bot.serving import KEPT_MODELS
from kb.errors import CheckpointError, IndexStaleError
from kb.manifest import MANIFEST, current_id, read_manifest
from kb.store import KnowledgeStore
from kb.types import ZERO_SHOT
from models.calibrate import Calibration, to_json
from models.checkpoints import seal
from models.export import ensure_exported
from models.folder import open_model

ROOT = Path(__file__).parent.parent
QUESTION = "Where is my order?"
NEW = pair("Do you repair jackets?", "Yes, for 20 euros.", pair_id="repair", topic="gear")
CALIBRATION = Calibration(slope=9.0, intercept=-4.0, threshold=0.125, origin="fitted", validation={})
NEVER, OFTEN = 3_600.0, 0.01
LONG = 60


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three models: the configured one, and two that stand for trained ones."""
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_model(folder / f"tiny-{seed}", "mean", seed) for seed in range(3)]


@pytest.fixture
def config(tiny):
    return Config(encoder=EncoderConfig(model=str(tiny[0]), runtime="torch"))


@pytest.fixture
def store(sqlite_engine):
    store = KnowledgeStore(sqlite_engine)
    store.upsert(SHOP)
    return store


@pytest.fixture
def checkpoints(tiny, tmp_path):
    """Ids of two checkpoints with different encoders."""
    return [make_checkpoint(tmp_path / CHECKPOINTS, model).checkpoint_id for model in tiny[1:]]


@pytest.fixture
def index(store, tmp_path, config):
    """Brings the index up to date."""

    def call(**given):
        return update_index(store, partial(open_models, tmp_path, config), tmp_path, config, **given)

    return call


@pytest.fixture
def to(index, checkpoints, store, tmp_path, config):
    """Promotes a checkpoint of an indexed shop by its id."""
    index()
    return partial(promote, tmp_path, store, config)


@pytest.fixture
def back(store, tmp_path, config):
    return partial(rollback, tmp_path, store, config)


@pytest.fixture
def live(tmp_path, config):
    """Makes a LiveBot as `open_frontdesk` does, and closes it at the end."""
    made = []

    def call(poll_s=NEVER):
        models_of = lru_cache(maxsize=KEPT_MODELS)(partial(open_models, tmp_path, config))
        load = partial(load_bot, tmp_path, models_of, config)
        made.append(LiveBot(tmp_path / INDEX, load, poll_s=poll_s))
        return made[-1]

    yield call
    for each in made:
        each.close()


def current(var):
    return read_manifest(var / INDEX, current_id(var / INDEX))


def served(var):
    return current(var).checkpoint, current(var).lineage


def damage(var, checkpoint_id):
    """Flip a byte in the middle of a checkpoint's weights."""
    path = var / CHECKPOINTS / checkpoint_id / "encoder" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# Promote and roll back


def test_before_any_promotion_the_configured_encoder_serves_and_the_snapshot_says_so(index, tmp_path, live):
    assert index().served.checkpoint == ZERO_SHOT
    assert served(tmp_path) == (ZERO_SHOT, ())
    assert live().answer(QUESTION).snapshot.checkpoint == ZERO_SHOT


def test_promoting_publishes_a_snapshot_of_the_checkpoints_encoder_and_names_what_served_before(
    to, checkpoints, tmp_path, config
):
    report = to(checkpoints[0])
    manifest = current(tmp_path)
    assert (report.is_new, report.snapshot_id) == (True, manifest.snapshot_id)
    assert (manifest.checkpoint, manifest.lineage) == (checkpoints[0], (ZERO_SHOT,))
    assert manifest.encoder_id == open_models(tmp_path, config, checkpoints[0]).encoder.encoder_id
    assert manifest.encoder_id != open_models(tmp_path, config, ZERO_SHOT).encoder.encoder_id


def test_a_frontdesk_answers_from_the_promoted_checkpoint(to, checkpoints, tmp_path, config):
    to(checkpoints[0])
    opened = open_frontdesk(tmp_path, config)
    try:
        reply = opened.bot.answer(QUESTION)
    finally:
        opened.close()
    assert reply.snapshot.checkpoint == checkpoints[0]
    assert reply.responses[0].question == QUESTION


def test_an_unambiguous_beginning_of_an_id_is_enough(to, checkpoints, tmp_path):
    to(checkpoints[0][:-2])
    assert served(tmp_path)[0] == checkpoints[0]


def test_a_checkpoint_can_be_promoted_before_anything_was_indexed(store, checkpoints, tmp_path, config, back):
    promote(tmp_path, store, config, checkpoints[0])
    assert served(tmp_path) == (checkpoints[0], ())
    back()
    assert served(tmp_path) == (ZERO_SHOT, ())


def test_rollback_goes_back_step_by_step_and_then_there_is_nothing_to_go_back_to(to, checkpoints, tmp_path, back):
    one, other = checkpoints
    to(one)
    to(other)
    assert served(tmp_path) == (other, (ZERO_SHOT, one))
    back()
    assert served(tmp_path) == (one, (ZERO_SHOT,))
    back()
    assert served(tmp_path) == (ZERO_SHOT, ())
    before = current_id(tmp_path / INDEX)
    with pytest.raises(CheckpointError, match=r"expected a checkpoint in service.*; got zero-shot.*; there is nothing"):
        back()
    assert current_id(tmp_path / INDEX) == before


def test_what_is_promoted_again_changes_nothing(to, checkpoints, tmp_path):
    first = to(checkpoints[0])
    again = to(checkpoints[0])
    assert (again.is_new, again.snapshot_id, again.before) == (False, first.snapshot_id, again.served)
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))


def test_rollback_and_promotion_of_the_same_knowledge_base_build_and_encode_nothing(to, checkpoints, back):
    to(checkpoints[0])
    for report in (back(), to(checkpoints[0]), back()):
        assert (report.is_new, report.encoded) == (False, 0)


def test_the_configured_encoder_can_be_promoted_and_the_way_back_leads_to_the_checkpoint(
    to, checkpoints, tmp_path, back
):
    to(checkpoints[0])
    report = to(ZERO_SHOT)
    assert (report.is_new, served(tmp_path)) == (False, (ZERO_SHOT, (ZERO_SHOT, checkpoints[0])))
    back()
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))


def test_after_a_change_of_the_knowledge_base_rollback_encodes_only_what_is_new(to, checkpoints, store, back, index):
    to(checkpoints[0])
    store.upsert([NEW])
    index()
    report = back()
    assert (report.is_new, report.encoded, report.pairs) == (True, 2, len(SHOP) + 1)
    assert to(checkpoints[0]).encoded == 0


# Indexing under a checkpoint


def test_indexing_goes_on_with_the_checkpoint_in_service_and_its_lineage(to, checkpoints, store, index, tmp_path):
    to(checkpoints[0])
    store.upsert([NEW])
    report = index()
    assert (report.is_new, report.encoded) == (True, 2)
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))
    assert not index().is_new


@pytest.mark.parametrize("name", [MANIFEST, "vectors.faiss"])
def test_an_index_that_is_damaged_is_built_again_under_the_checkpoint_that_served_last(
    to, checkpoints, index, tmp_path, name
):
    to(checkpoints[0])
    index(force=True)
    (tmp_path / INDEX / current_id(tmp_path / INDEX) / name).write_bytes(b"")
    index()
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))


def test_a_calibration_that_came_with_the_checkpoint_is_used(tiny, to, tmp_path, live):
    made = make_checkpoint(tmp_path / CHECKPOINTS, tiny[1], {"calibration.json": to_json(CALIBRATION)})
    assert to(made.checkpoint_id).calibration == CALIBRATION
    assert live().answer(QUESTION).explanation.threshold == CALIBRATION.threshold


def test_a_checkpoint_promoted_while_an_index_is_built_stays_in_service(
    to, checkpoints, store, index, tmp_path, config
):
    asked = []

    def models_of(checkpoint_id):
        asked.append(checkpoint_id)
        if len(asked) == 1:
            to(checkpoints[0])
        return open_models(tmp_path, config, checkpoint_id)

    report = update_index(store, models_of, tmp_path, config, force=True)
    assert asked == [ZERO_SHOT, checkpoints[0]]
    assert report.served == report.before
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))


# What is refused, and what a failure leaves


def test_a_damaged_checkpoint_is_not_promoted_and_nothing_changes(to, checkpoints, tmp_path):
    damage(tmp_path, checkpoints[0])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CheckpointError, match=r"expected hash .*; got hash .*; promote another"):
        to(checkpoints[0])
    assert sorted(tmp_path.rglob("*")) == before
    assert served(tmp_path) == (ZERO_SHOT, ())


def test_an_id_that_no_checkpoint_has_is_refused(to):
    with pytest.raises(CheckpointError, match="see `frontdesk checkpoints list`"):
        to("none")


def test_a_checkpoint_that_was_damaged_in_service_can_be_rolled_back(to, checkpoints, tmp_path, index, back):
    to(checkpoints[0])
    damage(tmp_path, checkpoints[0])
    with pytest.raises(CheckpointError, match="hash"):
        index(force=True)
    back()
    assert served(tmp_path) == (ZERO_SHOT, ())


def test_rollback_to_a_checkpoint_that_is_gone_is_refused_and_another_can_be_promoted(to, checkpoints, tmp_path, back):
    one, other = checkpoints
    to(one)
    to(other)
    shutil.rmtree(tmp_path / CHECKPOINTS / one)
    with pytest.raises(CheckpointError, match=rf"{one}; got none; promote another"):
        back()
    assert served(tmp_path)[0] == other
    to(ZERO_SHOT)
    assert served(tmp_path)[0] == ZERO_SHOT


def test_a_promotion_that_is_killed_leaves_what_served_and_the_next_goes_on(to, checkpoints, tmp_path):
    def kill(stage, done, total):
        if stage == "Encoding" and done == total:
            raise Killed

    with pytest.raises(Killed):
        to(checkpoints[0], progress=kill)
    assert served(tmp_path) == (ZERO_SHOT, ())
    assert to(checkpoints[0]).encoded == 0


def test_a_full_disk_leaves_what_served(to, checkpoints, tmp_path, live):
    bot = live()

    def fill(stage, done, total):
        if stage == "Encoding" and done == total:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # FAISS reports what it can't write by an error of its own.
        with pytest.raises((OSError, RuntimeError)):
            to(checkpoints[0], progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert served(tmp_path) == (ZERO_SHOT, ())
    assert not bot.refresh()
    assert (bot.problem(), bot.answer(QUESTION).snapshot.checkpoint) == (None, ZERO_SHOT)
    to(checkpoints[0])
    assert served(tmp_path) == (checkpoints[0], (ZERO_SHOT,))


def test_a_snapshot_of_the_configured_encoder_is_stale_under_another_configuration(index, tmp_path, config, tiny):
    index()
    wrong = replace(config, encoder=replace(config.encoder, model=str(tiny[2])))
    with pytest.raises(IndexStaleError, match="expected an index of encoder"):
        load_bot(tmp_path, partial(open_models, tmp_path, wrong), wrong, current_id(tmp_path / INDEX))


# A running server


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


def test_each_encoder_has_vectors_of_its_own(to, checkpoints, tmp_path):
    to(checkpoints[0])
    assert len(list((tmp_path / VECTORS).iterdir())) == 2


def test_the_manifest_is_json_with_the_checkpoint_and_the_way_back(to, checkpoints, tmp_path):
    report = to(checkpoints[0])
    document = json.loads((tmp_path / INDEX / report.snapshot_id / MANIFEST).read_text())
    assert (document["checkpoint"], document["lineage"]) == (checkpoints[0], [ZERO_SHOT])
