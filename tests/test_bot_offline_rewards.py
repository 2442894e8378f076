import numpy as np
import pytest

from bot.offline_rewards import cross_fitted

CONVERSATION = np.repeat(np.arange(200), 3)


@pytest.fixture
def features():
    return np.random.default_rng(0).standard_normal((600, 3))


def test_what_is_linear_is_found(features):
    reward = features @ [0.5, -1.0, 0.0] + 0.25
    other = np.ones((600, 3))
    logged, predicted = cross_fitted(features, reward, CONVERSATION, [other], ridge=1e-6)
    assert logged == pytest.approx(reward, abs=1e-4)
    assert predicted == pytest.approx(-0.25, abs=1e-4)


def test_a_conversation_is_predicted_without_itself(features):
    """A feature that only one conversation has says nothing of it."""
    reward = (CONVERSATION == 7).astype(float)
    mark = np.column_stack([features, reward])
    (logged,) = cross_fitted(mark, reward, CONVERSATION)
    assert (abs(logged[CONVERSATION == 7]) < 0.1).all()


def test_the_seed_decides_the_folds(features):
    reward = np.random.default_rng(1).random(600)
    first, again, other = (cross_fitted(features, reward, CONVERSATION, seed=seed)[0] for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_of_one_conversation_the_mean_is_known():
    reward = np.array([1.0, 0.0, 0.0, 1.0])
    assert (cross_fitted(np.ones((4, 2)), reward, np.zeros(4))[0] == 0.5).all()


def test_features_of_another_shape_are_an_error(features):
    with pytest.raises(ValueError, match=r"expected features \(600, 3\); got \(600, 2\)"):
        cross_fitted(features, np.zeros(600), CONVERSATION, [features[:, :2]])
