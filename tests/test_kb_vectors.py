from collections.abc import Sequence

import numpy as np
import pytest
from fakes_encoder import FakeEncoder

from kb.types import FloatArray
from kb.vectors import SHARD_TEXTS, VectorCache

TEXTS = ["where is my parcel", "how do I pay", "do you repair tents"]
MANY = [f"question number {n}" for n in range(2 * SHARD_TEXTS + 100)]


class FailingEncoder(FakeEncoder):
    """Is killed in the batch of this number, from 1."""

    def __init__(self, fails_at: int) -> None:
        super().__init__(dimension=8)
        self._fails_at = fails_at

    def encode(self, texts: Sequence[str]) -> FloatArray:
        if len(self.batches) + 1 == self._fails_at:
            raise KeyboardInterrupt
        return super().encode(texts)


@pytest.fixture
def encoder():
    return FakeEncoder(dimension=8)


def encode(folder, encoder, texts):
    """Encode as a process does that has just started."""
    return VectorCache(folder, encoder).encode(texts)


def shards(folder):
    return sorted(folder.rglob("*.npz"))


def test_vectors_are_those_of_the_encoder_in_the_order_of_the_texts(tmp_path, encoder):
    vectors, encoded = encode(tmp_path, encoder, TEXTS)
    np.testing.assert_array_equal(vectors, FakeEncoder(dimension=8).encode(TEXTS))
    assert encoded == 3
    again, _ = encode(tmp_path, encoder, TEXTS[::-1])
    np.testing.assert_array_equal(again, vectors[::-1])


def test_only_new_texts_are_encoded(tmp_path, encoder):
    encode(tmp_path, encoder, TEXTS)
    vectors, encoded = encode(tmp_path, encoder, [TEXTS[2], "a new one", TEXTS[0]])
    assert encoded == 1
    assert encoder.batches[1:] == [["a new one"]]
    np.testing.assert_array_equal(vectors, FakeEncoder(dimension=8).encode([TEXTS[2], "a new one", TEXTS[0]]))


def test_a_text_that_comes_several_times_is_encoded_once(tmp_path, encoder):
    vectors, encoded = encode(tmp_path, encoder, ["same", "other", "same"])
    assert encoded == 2
    assert sorted(encoder.encoded) == ["other", "same"]
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_texts_that_differ_in_form_only_have_vectors_of_their_own(tmp_path, encoder):
    assert encode(tmp_path, encoder, ["Tent", "tent", "tent "])[1] == 3


def test_no_text_at_all_gives_no_vector_and_no_file(tmp_path, encoder):
    vectors, encoded = encode(tmp_path, encoder, [])
    assert (vectors.shape, encoded) == ((0, 8), 0)
    assert shards(tmp_path) == []


def test_any_text_can_be_kept(tmp_path, encoder):
    odd = ["", "\x00", "\ud800", "👍", "退款", "x" * 100_000]
    encode(tmp_path, encoder, odd)
    assert encode(tmp_path, encoder, odd)[1] == 0


@pytest.mark.parametrize("other", [FakeEncoder("other", 8), FakeEncoder("org/other@1", 8)])
def test_another_encoder_has_a_cache_of_its_own(tmp_path, encoder, other):
    encode(tmp_path, encoder, TEXTS)
    assert encode(tmp_path, other, TEXTS)[1] == 3
    assert encode(tmp_path, encoder, TEXTS)[1] == 0


def test_progress_is_told_from_none_to_all_that_is_new(tmp_path, encoder):
    encode(tmp_path, encoder, MANY[:10])
    told = []
    VectorCache(tmp_path, encoder).encode(MANY, lambda done, total: told.append((done, total)))
    total = len(MANY) - 10
    assert told == [(0, total), (SHARD_TEXTS, total), (2 * SHARD_TEXTS, total), (total, total)]


def test_what_was_killed_half_way_goes_on_where_it_was(tmp_path, encoder):
    with pytest.raises(KeyboardInterrupt):
        encode(tmp_path, FailingEncoder(fails_at=3), MANY)
    vectors, encoded = encode(tmp_path, encoder, MANY)
    assert encoded == 100
    np.testing.assert_array_equal(vectors, FakeEncoder(dimension=8).encode(MANY))


def test_a_shard_that_was_half_written_counts_for_nothing(tmp_path, encoder):
    encode(tmp_path, encoder, TEXTS)
    shard = shards(tmp_path)[0]
    part = shard.with_suffix(".part")
    part.write_bytes(shard.read_bytes()[:100])
    shard.unlink()
    assert encode(tmp_path, encoder, TEXTS)[1] == 3
    assert encode(tmp_path, encoder, TEXTS)[1] == 0


def test_a_shard_that_was_cut_anywhere_is_encoded_again(tmp_path, encoder):
    expected, _ = encode(tmp_path, encoder, TEXTS)
    shard = shards(tmp_path)[0]
    whole = shard.read_bytes()
    for kept in range(0, len(whole), 40):
        shard.write_bytes(whole[:kept])
        vectors, encoded = encode(tmp_path, encoder, TEXTS)
        assert encoded == 3
        np.testing.assert_array_equal(vectors, expected)


def test_a_flipped_byte_never_changes_a_vector(tmp_path, encoder):
    expected, _ = encode(tmp_path, encoder, TEXTS)
    shard = shards(tmp_path)[0]
    whole = shard.read_bytes()
    encoded_again = 0
    places = range(0, len(whole), 7)
    for at in places:
        flipped = bytearray(whole)
        flipped[at] ^= 0x55
        shard.write_bytes(flipped)
        vectors, encoded = encode(tmp_path, encoder, TEXTS)
        np.testing.assert_array_equal(vectors, expected)
        encoded_again += encoded > 0
    # The others are dates, attributes and padding, which nobody reads.
    assert encoded_again > len(places) / 2


def test_a_shard_of_more_keys_than_vectors_is_encoded_again(tmp_path, encoder):
    encode(tmp_path, encoder, TEXTS)
    shard = shards(tmp_path)[0]
    with np.load(shard) as arrays:
        keys, vectors = arrays["keys"], arrays["vectors"]
    np.savez(shard, keys=keys, vectors=vectors[:1])
    assert encode(tmp_path, encoder, TEXTS)[1] == 3


def test_the_other_shards_of_a_damaged_one_stay_in_use(tmp_path, encoder):
    encode(tmp_path, encoder, TEXTS)
    first = shards(tmp_path)[0]
    encode(tmp_path, encoder, ["a new one"])
    first.write_bytes(b"")
    assert encode(tmp_path, encoder, [*TEXTS, "a new one"])[1] == 3


def test_pruning_forgets_what_is_no_longer_wanted(tmp_path, encoder):
    encode(tmp_path, encoder, MANY)
    VectorCache(tmp_path, encoder).prune(MANY[:50])
    assert len(shards(tmp_path)) == 1
    assert encode(tmp_path, encoder, MANY[:50])[1] == 0
    assert encode(tmp_path, encoder, MANY[50:60])[1] == 10


def test_a_cache_that_is_not_twice_too_large_is_left_alone(tmp_path, encoder):
    encode(tmp_path, encoder, MANY[: 2 * SHARD_TEXTS - 1])
    VectorCache(tmp_path, encoder).prune(MANY[:1])
    assert encode(tmp_path, encoder, MANY[: 2 * SHARD_TEXTS - 1])[1] == 0


def test_pruning_to_what_one_shard_holds_keeps_that_shard(tmp_path, encoder):
    encode(tmp_path, encoder, MANY[:SHARD_TEXTS])
    encode(tmp_path, encoder, MANY[SHARD_TEXTS:])
    VectorCache(tmp_path, encoder).prune(MANY[:SHARD_TEXTS])
    assert encode(tmp_path, encoder, MANY[:SHARD_TEXTS])[1] == 0


def test_pruning_for_an_emptied_knowledge_base_removes_all(tmp_path, encoder):
    encode(tmp_path, encoder, MANY)
    VectorCache(tmp_path, encoder).prune([])
    assert shards(tmp_path) == []


def test_a_folder_that_is_not_there_is_pruned_to_nothing(tmp_path, encoder):
    VectorCache(tmp_path / "none", encoder).prune(TEXTS)
    assert not (tmp_path / "none").exists()
