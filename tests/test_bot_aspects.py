import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bot.aspects import aspects_of

AXES = np.eye(4, dtype=np.float32)


def test_each_topic_is_an_aspect_and_what_has_none_serves_none():
    found = aspects_of(["b", "a", "", "b"], AXES, np.full(4, 0.5, dtype=np.float32))
    assert found[:, :2].tolist() == [[0, 1], [1, 0], [0, 0], [0, 1]]


def test_clusters_are_aspects_too_and_what_lies_together_serves_the_same():
    near = np.array([[1, 0, 0, 0], [0.99, 0.14, 0, 0]], dtype=np.float32)
    far = np.array([[0, 0, 1, 0], [0, 0, 0.99, 0.14]], dtype=np.float32)
    found = aspects_of([""] * 4, np.vstack([near, far]), np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32))
    assert found.argmax(axis=1).tolist() == [0, 0, 1, 1]


def test_a_single_topic_tells_nothing_apart():
    several = aspects_of(["a"] * 4, AXES, np.full(4, 0.5, dtype=np.float32))
    assert (several == aspects_of([""] * 4, AXES, np.full(4, 0.5, dtype=np.float32))).all()


def test_of_no_candidates_there_are_no_aspects():
    assert aspects_of([], AXES[:0], np.empty(0, dtype=np.float32)).size == 0


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_every_value_is_a_share(count, seed):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, 5)).astype(np.float32)
    topics = [str(each) for each in generator.integers(0, 4, count)]
    found = aspects_of(topics, vectors, generator.random(count).astype(np.float32))
    assert found.shape[0] == count
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
