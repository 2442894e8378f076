import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fakes_encoder import FakeEncoder, assemble
from fakes_kb import pair

from kb.errors import IndexDamagedError, IndexMissingError, IndexReplacedError, IndexStaleError, VectorIndexError
from kb.manifest import CURRENT, FORMAT, MANIFEST, activate, current_id, kept_manifests, read_manifest
from kb.snapshot import load_snapshot, publish, serve_again
from kb.types import Transition

PAIRS = [
    pair("Where is my parcel?", "It is **on its way**.\u2028Truly.", pair_id="p-0", phrasings=("parcel lost", "…où?")),
    pair("How do I pay?", "By card\n\nor invoice.", pair_id="p-1", topic="money", source="faq.csv", content_hash="ab"),
    pair("你们修帐篷吗？", "是的 👍", pair_id="p-2", locale="zh"),
]
TRANSITIONS = (Transition(from_pair="p-0", to_pair="p-1", count=3),)
CALIBRATION = {"fitted": {"threshold": 0.625, "weights": [1.5, -2]}, "settings": {}}
QUESTIONS = ["is my parcel lost", "pay by card", "修帐篷", "something else entirely"]


def publish_pairs(folder, pairs=PAIRS, encoder=None, version=1, **config):
    parts = assemble(pairs, encoder, **config)
    return publish_parts(folder, parts, version=version)


def publish_parts(folder, parts, lexical=None, version=1, **given):
    return publish(
        folder,
        retriever=parts.retriever,
        index=parts.index,
        lexical=lexical or parts.lexical,
        transitions=TRANSITIONS,
        calibration=CALIBRATION,
        corpus_hash="0123456789abcdef",
        knowledge_version=version,
        **given,
    )


def load(folder, encoder=None):
    return load_snapshot(folder, encoder or FakeEncoder())


def snapshots(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def assert_same_retrieval(one, other):
    for question in QUESTIONS:
        before, after = one.retrieve(question), other.retrieve(question)
        assert before.candidates == after.candidates
        np.testing.assert_array_equal(before.vectors, after.vectors)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with one snapshot."""
    publish_pairs(tmp_path)
    return tmp_path


def test_a_loaded_snapshot_retrieves_what_the_published_one_did(tmp_path):
    parts = assemble(PAIRS, top_k=2, dense_hits=4, passage_words=3, temperature=0.125)
    publish_parts(tmp_path, parts)
    loaded = load(tmp_path).retriever
    assert loaded.config == parts.retriever.config
    assert loaded.pairs == parts.retriever.pairs
    assert_same_retrieval(parts.retriever, loaded)


def test_transitions_and_calibration_come_back_as_they_were(folder):
    loaded = load(folder)
    assert loaded.transitions == TRANSITIONS
    assert loaded.calibration == CALIBRATION


def test_the_manifest_says_what_the_snapshot_was_made_of(tmp_path):
    manifest = publish_pairs(tmp_path, version=7)
    assert (manifest.encoder_id, manifest.dimension, manifest.metric) == ("fake", 64, "inner_product")
    assert (manifest.pair_count, manifest.vector_count) == (3, 8)
    assert (manifest.corpus_hash, manifest.knowledge_version) == ("0123456789abcdef", 7)
    assert load(tmp_path).manifest == read_manifest(tmp_path, manifest.snapshot_id) == manifest


def test_the_manifest_has_the_hash_of_every_other_file(folder):
    target = folder / current_id(folder)
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert set(read_manifest(folder, target.name).files) == files - {MANIFEST}


def test_an_empty_knowledge_base_can_be_published_and_loaded(tmp_path):
    publish_pairs(tmp_path, [])
    assert load(tmp_path).retriever.retrieve("where is my parcel").candidates == ()


def test_loading_encodes_nothing(folder):
    encoder = FakeEncoder()
    load(folder, encoder)
    assert encoder.batches == []


# What is refused


def files_of(folder):
    target = folder / current_id(folder)
    return [path for path in sorted(target.rglob("*")) if path.is_file()]


def assert_refused(folder, kind=VectorIndexError):
    with pytest.raises(kind, match=r"expected .*; got .*; run `frontdesk index`"):
        load(folder)


def test_a_flipped_byte_in_any_file_is_refused_with_the_remedy(folder):
    for path in files_of(folder):
        content = path.read_bytes()
        for at in {0, len(content) // 3, len(content) // 2, len(content) - 2}:
            flipped = bytearray(content)
            flipped[at] ^= 0x04
            path.write_bytes(flipped)
            assert_refused(folder)
        path.write_bytes(content)
    load(folder)


def test_a_changed_number_in_the_manifest_is_refused(folder):
    path = folder / current_id(folder) / MANIFEST
    document = json.loads(path.read_text())
    document["retrieval"]["temperature"] = 0.15
    path.write_text(json.dumps(document))
    assert_refused(folder, IndexDamagedError)


def test_a_file_that_was_cut_is_refused_with_the_remedy(folder):
    for path in files_of(folder):
        content = path.read_bytes()
        for kept in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            assert_refused(folder, IndexDamagedError)
        path.write_bytes(content)


def test_a_missing_file_is_refused_with_the_remedy(folder):
    for path in files_of(folder):
        content = path.read_bytes()
        path.unlink()
        assert_refused(folder, IndexDamagedError)
        path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"format": 1}', b'{"format": 2}', b"\xff\xfe"])
def test_a_manifest_that_is_none_is_refused_with_the_remedy(folder, content):
    (folder / current_id(folder) / MANIFEST).write_bytes(content)
    assert_refused(folder)


@pytest.mark.parametrize("damage", [lambda _: b"", lambda it: it[:-3], lambda it: it + b"\0", lambda it: b"\xff" + it])
def test_a_damaged_current_is_refused_with_the_remedy(folder, damage):
    path = folder / CURRENT
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(folder, IndexDamagedError)


@pytest.mark.parametrize("encoder", [FakeEncoder("another"), FakeEncoder(dimension=32)])
def test_another_encoder_is_refused_naming_both(folder, encoder):
    message = rf"encoder {encoder.encoder_id} \({encoder.dimension} dim.*; got one of fake \(64 dim.*frontdesk index"
    with pytest.raises(IndexStaleError, match=message):
        load(folder, encoder)


@pytest.mark.parametrize("more", [{}, {"a_field_of_the_future": 1}])
def test_another_format_is_refused_as_stale_whatever_its_fields(folder, more):
    path = folder / current_id(folder) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": FORMAT + 1} | more))
    assert_refused(folder, IndexStaleError)


@pytest.mark.parametrize("name", [".", "none", "none/deeper"])
def test_a_folder_without_an_index_is_told_with_the_commands_that_make_one(tmp_path, name):
    with pytest.raises(IndexMissingError, match="run `frontdesk index`, or `frontdesk demo`"):
        load(tmp_path / name)


def test_an_index_where_a_file_is_in_the_way_is_missing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexMissingError):
        load(tmp_path / "file")


def test_the_newest_snapshot_is_current(folder):
    manifest = publish_pairs(folder, PAIRS[:1], version=2)
    assert current_id(folder) == manifest.snapshot_id
    assert load(folder).retriever.pairs == (PAIRS[0],)


def test_an_older_snapshot_can_be_loaded_by_name_and_made_current_again(folder):
    old = current_id(folder)
    publish_pairs(folder, PAIRS[:1])
    assert load_snapshot(folder, FakeEncoder(), old).retriever.pairs == tuple(PAIRS)
    activate(folder, old)
    assert load(folder).retriever.pairs == tuple(PAIRS)


def test_only_the_three_newest_snapshots_are_kept(tmp_path):
    parts = assemble(PAIRS)
    names = [publish_parts(tmp_path, parts).snapshot_id for _ in range(6)]
    assert snapshots(tmp_path) == names[-3:]


def test_publishing_leaves_nothing_but_snapshots_and_current(tmp_path):
    manifest = publish_pairs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CURRENT, manifest.snapshot_id])


def test_a_snapshot_names_its_checkpoint_and_the_way_back(tmp_path):
    plain = publish_parts(tmp_path, assemble(PAIRS))
    assert (plain.checkpoint, plain.lineage) == ("zero-shot", ())
    trained = publish_parts(tmp_path, assemble(PAIRS), checkpoint="c-1", lineage=("zero-shot", "c-0"))
    assert load(tmp_path).manifest == trained
    assert (trained.checkpoint, trained.lineage) == ("c-1", ("zero-shot", "c-0"))


def test_what_was_made_of_an_older_state_replaces_no_newer_snapshot(folder):
    old = current_id(folder)
    new = publish_parts(folder, assemble(PAIRS), replaces=old)
    with pytest.raises(IndexReplacedError, match="run the command again"):
        publish_parts(folder, assemble(PAIRS[:1]), replaces=old)
    with pytest.raises(IndexReplacedError):
        serve_again(folder, read_manifest(folder, old), lineage=(), replaces=old)
    with pytest.raises(IndexReplacedError):
        publish_parts(folder, assemble(PAIRS[:1]), replaces="")
    assert snapshots(folder) == [old, new.snapshot_id]
    assert current_id(folder) == new.snapshot_id


def test_a_kept_snapshot_serves_again_as_a_new_one_of_the_same_files(folder):
    old = read_manifest(folder, current_id(folder))
    publish_pairs(folder, PAIRS[:1])
    again = serve_again(folder, old, lineage=("c-1",))
    assert again.snapshot_id == snapshots(folder)[-1] == current_id(folder)
    assert (again.files, again.lineage) == (old.files, ("c-1",))
    loaded = load(folder)
    assert loaded.manifest == again
    assert loaded.retriever.pairs == tuple(PAIRS)


def test_kept_manifests_begin_with_the_current_one_and_leave_out_the_damaged(tmp_path):
    one, two, three = (publish_pairs(tmp_path, version=version) for version in range(3))
    activate(tmp_path, two.snapshot_id)
    assert kept_manifests(tmp_path) == [two, three, one]
    (tmp_path / three.snapshot_id / MANIFEST).write_text("{}")
    assert kept_manifests(tmp_path) == [two, one]
    (tmp_path / CURRENT).unlink()
    assert kept_manifests(tmp_path) == [two, one]
    assert kept_manifests(tmp_path / "none") == []


class FullDisk:
    """Stands for a lexical index; writes a part of its files before the disk is full."""

    def save(self, folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError(28, "No space left on device")


def test_a_crash_before_the_manifest_leaves_the_old_snapshot_current(folder):
    old = current_id(folder)
    with pytest.raises(OSError, match="No space left"):
        publish_parts(folder, assemble(PAIRS[:1]), lexical=FullDisk())
    assert len(snapshots(folder)) == 2
    assert current_id(folder) == old
    assert load(folder).retriever.pairs == tuple(PAIRS)


def test_what_a_crash_left_is_removed_by_the_next_publication(folder):
    with pytest.raises(OSError, match="No space left"):
        publish_parts(folder, assemble(PAIRS), lexical=FullDisk())
    half = [name for name in snapshots(folder) if name != current_id(folder)]
    publish_pairs(folder)
    assert len(half) == 1
    assert half[0] not in snapshots(folder)
    assert len(snapshots(folder)) == 2


def test_a_half_written_snapshot_is_refused_by_name(folder):
    with pytest.raises(OSError, match="No space left"):
        publish_parts(folder, assemble(PAIRS), lexical=FullDisk())
    (half,) = set(snapshots(folder)) - {current_id(folder)}
    with pytest.raises(IndexDamagedError, match="frontdesk index"):
        load_snapshot(folder, FakeEncoder(), half)


def test_a_crash_between_manifest_and_current_leaves_the_old_snapshot_current(folder):
    old = current_id(folder)
    in_the_way = folder / f"{CURRENT}.{os.getpid()}.part"
    in_the_way.mkdir()
    with pytest.raises(IsADirectoryError):
        publish_pairs(folder, PAIRS[:1])
    assert current_id(folder) == old
    assert load(folder).retriever.pairs == tuple(PAIRS)


def wait_for_loads(readers, loads, changed):
    """Wait until every reader has loaded once more, or one has failed."""
    before = list(loads)

    def is_over():
        return any(each.done() for each in readers) or all(now > was for now, was in zip(loads, before, strict=True))

    assert changed.wait_for(is_over, timeout=60)


def test_readers_always_load_one_whole_snapshot_while_others_are_published(folder):
    publications = [assemble(some) for some in (PAIRS, PAIRS[:2], PAIRS[:1])]
    done, changed, loads = threading.Event(), threading.Condition(), [0, 0, 0]

    def read(reader):
        while not done.is_set():
            loaded = load(folder)
            assert loaded.retriever.pairs == tuple(PAIRS[: loaded.manifest.pair_count])
            with changed:
                loads[reader] += 1
                changed.notify_all()

    with ThreadPoolExecutor(len(loads)) as pool:
        readers = [pool.submit(read, reader) for reader in range(len(loads))]
        try:
            for publication in publications * 3:
                publish_parts(folder, publication)
                # So that no reader falls behind by more snapshots than are kept.
                with changed:
                    wait_for_loads(readers, loads, changed)
        finally:
            done.set()
    for reader in readers:
        reader.result()
