import os
import threading

import pytest

from kb.sealed import file_hash, file_names, is_sealed, locked, read_json, sealed, try_lock, write_json

DOCUMENT = {"name": "é\ud800", "numbers": [1, 2.5], "files": {"a": "b"}}


def test_a_sealed_document_says_what_it_did_and_a_changed_one_does_not():
    document = sealed(DOCUMENT)
    assert is_sealed(document)
    assert is_sealed(sealed(document))
    assert not is_sealed({**document, "numbers": [1, 2.6]})
    assert not is_sealed({**document, "more": 1})
    assert not is_sealed(DOCUMENT)


def test_a_seal_survives_the_file(tmp_path):
    write_json(tmp_path / "a.json", sealed({"b": (1, 2), "a": "é"}))
    assert is_sealed(read_json(tmp_path / "a.json"))


def test_a_number_that_json_does_not_know_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})


def test_files_are_named_relative_to_the_folder_and_hashed_by_content(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/one", "a"):
        (tmp_path / name).write_bytes(b"same")
    assert file_names(tmp_path) == ["a", "b/c/one"]
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b/c/one")
    assert len(file_hash(tmp_path / "a")) == 64


def test_one_holds_the_lock_of_a_folder_at_a_time(tmp_path):
    descriptor = try_lock(tmp_path)
    assert try_lock(tmp_path) is None
    entered = threading.Event()

    def wait():
        with locked(tmp_path):
            entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not entered.is_set()
    os.close(descriptor)
    waiting.join(60)
    assert entered.is_set()
    assert try_lock(tmp_path) is not None
