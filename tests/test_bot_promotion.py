import json
import resource
import shutil
from dataclasses import replace
from functools import partial

import pytest
from fakes_bot import SHOP
from fakes_checkpoint import current, damage, make_checkpoint, served
from fakes_kb import pair

from bot.build import CHECKPOINTS, load_bot, open_frontdesk, open_models
from bot.indexing import INDEX, VECTORS, update_index
from bot.promotion import promote
from kb.errors import CheckpointError, IndexStaleError
from kb.manifest import MANIFEST, current_id
from kb.types import ZERO_SHOT
from models.calibrate import Calibration, to_json

NEW = pair("Do you repair jackets?", "Yes, for 20 euros.", pair_id="repair", topic="gear")
CALIBRATION = Calibration(slope=9.0, intercept=-4.0, threshold=0.125, origin="fitted", validation={})
QUESTION = "Where is my order?"

pytest_plugins = ("fakes_promotion",)


class Killed(BaseException):
    """Stands for the end of the process."""


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


def test_each_encoder_has_vectors_of_its_own(to, checkpoints, tmp_path):
    to(checkpoints[0])
    assert len(list((tmp_path / VECTORS).iterdir())) == 2


def test_the_manifest_is_json_with_the_checkpoint_and_the_way_back(to, checkpoints, tmp_path):
    report = to(checkpoints[0])
    document = json.loads((tmp_path / INDEX / report.snapshot_id / MANIFEST).read_text())
    assert (document["checkpoint"], document["lineage"]) == (checkpoints[0], [ZERO_SHOT])
