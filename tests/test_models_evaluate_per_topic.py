import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as theirs
from sklearn.metrics import precision_recall_fscore_support

from models.evaluate.per_topic import confusion_matrix, confusions, most_confused, topic_table

# Topic 0: two right, one taken for 1, one for 2. Topic 1: two of three taken for 0. Topic 2: its one question for 0.
GOLD = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 0, 0, 0])
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 5)), min_size=1, max_size=40)


def split(pairs):
    gold, predicted = zip(*pairs, strict=True)
    return np.array(gold), np.array(predicted)


def test_measures_of_a_hand_worked_table():
    table = topic_table(GOLD, PREDICTED)
    assert table.topic.tolist() == [0, 1, 2]
    assert table.n.tolist() == [4, 3, 1]
    assert table.recall == pytest.approx([2 / 4, 1 / 3, 0])
    # Predicted as 0: 5 questions, 2 of them of topic 0; as 1: 2 questions, 1 of topic 1; as 2: 1 question, of topic 0.
    assert table.precision == pytest.approx([2 / 5, 1 / 2, 0])
    assert table.f1 == pytest.approx([4 / 9, 2 / 5, 0])


def test_a_topic_is_confused_with_what_it_is_taken_for_most_often():
    table = topic_table(GOLD, PREDICTED)
    assert table.confused_with.tolist() == [1, 0, 0]
    assert table.confused_count.tolist() == [1, 2, 1]


def test_a_topic_that_is_always_right_is_confused_with_nothing():
    table = topic_table(np.array([3, 3]), np.array([3, 3]))
    assert (table.confused_with.tolist(), table.confused_count.tolist()) == ([3], [0])


def test_a_topic_that_is_never_predicted_has_no_precision_and_an_f1_of_0():
    table = topic_table(np.array([0, 1]), np.array([1, 1]))
    assert np.isnan(table.precision[0])
    assert table.f1[0] == table.recall[0] == 0.0


@given(PAIRS)
def test_measures_are_those_of_scikit_learn(pairs):
    gold, predicted = split(pairs)
    table = topic_table(gold, predicted)
    labels = np.unique(gold)
    precision, recall, f1, n = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=np.nan)
    assert table.topic.tolist() == labels.tolist()
    assert table.n.tolist() == n.tolist()
    assert table.recall == pytest.approx(recall)
    assert table.precision == pytest.approx(precision, nan_ok=True)
    assert table.f1 == pytest.approx(np.nan_to_num(f1))


def test_confusions_are_the_most_frequent_wrong_pairs():
    assert confusions(GOLD, PREDICTED).tolist() == [[1, 0, 2], [0, 1, 1], [0, 2, 1], [2, 0, 1]]
    assert confusions(GOLD, PREDICTED, 2).tolist() == [[1, 0, 2], [0, 1, 1]]


def test_without_a_wrong_prediction_nothing_is_confused():
    assert confusions(GOLD, GOLD).shape == (0, 3)
    assert most_confused(GOLD, GOLD, 5).tolist() == []


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(PAIRS)
def test_confusions_are_the_cells_off_the_diagonal_of_scikit_learn_s_matrix(pairs):
    gold, predicted = split(pairs)
    labels = np.union1d(gold, predicted)
    cells = theirs(gold, predicted, labels=labels)
    np.fill_diagonal(cells, 0)
    expected = {(labels[i], labels[j]): cells[i, j] for i, j in zip(*np.nonzero(cells), strict=True)}
    assert {(i, j): count for i, j, count in confusions(gold, predicted)} == expected


def test_the_most_confused_topics_are_in_the_most_wrong_pairs_on_either_side():
    # Wrong pairs: 0-1, 0-2, 1-0 twice, 2-0.
    assert most_confused(GOLD, PREDICTED, 3).tolist() == [0, 1, 2]
    assert most_confused(GOLD, PREDICTED, 1).tolist() == [0]


def test_a_matrix_keeps_the_order_asked_for_and_adds_up_all_other_predictions():
    assert confusion_matrix(GOLD, PREDICTED, np.array([1, 0])).tolist() == [[1, 2, 0], [1, 2, 1]]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(PAIRS)
def test_a_matrix_of_all_topics_is_that_of_scikit_learn(pairs):
    gold, predicted = split(pairs)
    labels = np.union1d(gold, predicted)
    ours = confusion_matrix(gold, predicted, labels)
    assert (ours[:, :-1] == theirs(gold, predicted, labels=labels)).all()
    assert not ours[:, -1].any()
