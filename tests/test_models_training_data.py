import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_rows import CONFIG, ENOUGH, pair, row

from kb.errors import InputError, TrainingDataError
from models.training.data import (
    LabeledPair,
    NeedsConfig,
    class_weights,
    data_manifest,
    labeled_pairs,
    require_enough,
    sampling_weights,
)
from models.training.grouping import normalised

# Gathering


def test_questions_and_phrasings_are_labelled_right_and_a_pair_without_phrasings_gives_its_question():
    gathered = labeled_pairs([pair("a", "Where is it?", "Track my order"), pair("b", "Refund?")])
    assert gathered == [
        row("Where is it?", "a", origin="pair"),
        row("Track my order", "a", origin="phrasing"),
        row("Refund?", "b", origin="pair"),
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_an_operator_outweighs_history_and_history_a_phrasing_in_any_order(swapped):
    verdicts = [
        row("track MY order!", "a", label=0.0, origin="operator"),
        row("Track my order", "a", label=0.7, origin="history"),
        row("late parcel", "a", label=0.2, origin="click"),
        row("late parcel?", "a", label=0.9, origin="history"),
    ]
    gathered = labeled_pairs([pair("a", "Where?", "Track my order")], verdicts[::-1] if swapped else verdicts)
    assert sorted((each.label, each.origin) for each in gathered) == [
        (0.0, "operator"),
        (0.9, "history"),
        (1.0, "pair"),
    ]


def test_a_pairs_own_question_stays_its_own_whatever_is_said_of_it():
    gathered = labeled_pairs([pair("a", "Where is it?")], [row("where is it", "a", label=0.0, origin="operator")])
    assert gathered == [row("Where is it?", "a", origin="pair")]


def test_of_two_verdicts_of_one_origin_the_later_one_counts():
    verdicts = [row("late", "a", label=label, origin="operator") for label in (1.0, 0.0)]
    assert labeled_pairs([pair("a", "Where?")], verdicts)[1].label == 0.0


def test_a_question_that_two_pairs_answer_is_kept_for_each():
    gathered = labeled_pairs([pair("a", "One", "Both?"), pair("b", "Two", "both")])
    assert sorted(each.pair_id for each in gathered if normalised(each.question) == "both") == ["a", "b"]


def test_verdicts_on_retired_pairs_and_blank_phrasings_are_left_out():
    assert labeled_pairs([pair("a", "Where?", "  ")], [row("late", "gone")]) == [row("Where?", "a", origin="pair")]


@pytest.mark.parametrize(
    "fields",
    [
        {"question": " "},
        {"pair_id": ""},
        {"label": 1.1},
        {"label": float("nan")},
        {"weight": -1.0},
        {"weight": float("inf")},
        {"origin": "rumour"},
    ],
)
def test_a_row_that_means_nothing_is_refused(fields):
    with pytest.raises(TrainingDataError, match=r"expected .*; got .*; "):
        LabeledPair(**{"question": "Where?", "pair_id": "a"} | fields)


# Weights


def test_pairs_are_drawn_by_a_power_of_their_counts():
    assert sampling_weights([1, 3, 0], 1.0).tolist() == [0.25, 0.75, 0.0]
    assert sampling_weights([1, 3, 0], 0.0).tolist() == [0.5, 0.5, 0.0]
    assert np.allclose(sampling_weights([1, 9], 0.5), [0.25, 0.75])


@given(st.lists(st.integers(0, 10**6), min_size=1), st.floats(0, 1))
def test_probabilities_sum_to_one_and_rank_as_the_counts_do(counts, power):
    weights = sampling_weights(counts, power)
    assert np.isclose(weights.sum(), float(any(counts)))
    assert (np.diff(weights[np.argsort(counts)]) >= -1e-12).all()


def test_class_weights_are_those_of_the_effective_number_of_samples():
    # E = (1 - .9^n) / .1: 1 for one sample, 1.9 for two; weights 1/E over their mean.
    expected = np.array([1.0, 1 / 1.9]) / np.mean([1.0, 1 / 1.9])
    assert np.allclose(class_weights([1, 2, 0], beta=0.9), [*expected, 0.0])


@given(st.lists(st.integers(1, 10**6), min_size=1), st.floats(0, 0.9999))
def test_class_weights_have_the_mean_one_and_fall_with_the_count(counts, beta):
    weights = class_weights(counts, beta)
    assert np.isclose(weights.mean(), 1.0)
    assert (np.diff(weights[np.argsort(counts)]) <= 1e-9).all()


def test_weights_of_nothing_are_nothing():
    assert class_weights([]).tolist() == []
    assert sampling_weights([], 0.5).tolist() == []
    assert class_weights([0, 0]).tolist() == [0.0, 0.0]


# Manifest


def test_the_manifest_counts_what_there_is():
    pairs = [pair("a", "Where?", "Late", topic="delivery"), pair("b", "Refund?"), pair("c", "Unasked")]
    train = [row("Where?", "a", origin="pair"), row("Late", "a"), row("Refund?", "b", origin="pair")]
    manifest = data_manifest(train, [row("Late!", "b", label=0.0, origin="operator")], pairs, CONFIG)
    assert json.loads(json.dumps(manifest)) == manifest
    counts = {name: value for name, value in manifest.items() if not name.endswith("_hash")}
    assert counts == {
        "train": 3,
        "valid": 1,
        "pairs": 3,
        "pairs_with_texts": 2,
        "pairs_in_valid": 1,
        "topics": 1,
        "origins": {"operator": 1, "pair": 2, "phrasing": 1},
        "labels": {"0.0": 1, "1.0": 3},
        "texts_per_pair": {"least": 1.0, "quarter": 1.25, "median": 1.5, "three_quarters": 1.75, "most": 2.0},
        "split": {
            "validation_share": 0.15,
            "least_training": 1,
            "token_similarity": 0.8,
            "trigram_similarity": 0.85,
            "seed": 0,
        },
    }


def test_hashes_know_the_rows_and_not_their_order():
    pairs = [pair("a", "Where?", "Late"), pair("b", "Refund?")]
    one, two, three = row("Where?", "a"), row("Late", "a"), row("Refund?", "b")
    first = data_manifest([one, two], [three], pairs, CONFIG)
    assert data_manifest([two, one], [three], pairs[::-1], CONFIG) == first
    moved = data_manifest([one], [two, three], pairs, CONFIG)
    assert moved["data_hash"] == first["data_hash"]
    assert moved["train_hash"] != first["train_hash"]
    changed = data_manifest([one, replace(two, weight=2.0)], [three], [*pairs[:1], pair("b", "Refunds?")], CONFIG)
    assert all(changed[name] != first[name] for name in ("data_hash", "train_hash", "pairs_hash"))
    assert changed["valid_hash"] == first["valid_hash"]


# Enough

ALL = NeedsConfig(tells_apart=("pairs", "topics", "labels"))


def test_enough_is_enough():
    require_enough(ENOUGH, [pair("a", "A", topic="x"), pair("b", "B", topic="y")], ALL)


@pytest.mark.parametrize(
    ("rows", "pairs", "message"),
    [
        ([], [], "expected labelled questions to train on; got no text; import"),
        (ENOUGH[:19], [], "expected 20 different questions or more to train on; got 19; import"),
        ([ENOUGH[0]] * 100, [], "got 1; "),
        ([replace(each, pair_id="a") for each in ENOUGH], [], "two pairs or more answer; got one, a; "),
        ([replace(each, label=0.0) for each in ENOUGH], [], "two pairs or more answer; got none; "),
        (ENOUGH, [pair("a", "A", topic="x"), pair("b", "B", topic="x")], "two topics or more; got one, x; "),
        (ENOUGH, [pair("a", "A"), pair("b", "B"), pair("c", "C", topic="y")], "two topics or more; got none; "),
        (
            [replace(each, label=1.0) for each in ENOUGH],
            [pair("a", "A", topic="x"), pair("b", "B", topic="y")],
            "expected labels that differ; got 1 in all 30 rows; ",
        ),
    ],
)
def test_too_little_to_learn_from_is_refused_with_the_remedy(rows, pairs, message):
    with pytest.raises(TrainingDataError, match=message) as caught:
        require_enough(rows, pairs, ALL)
    assert isinstance(caught.value, InputError)


def test_what_no_loss_tells_apart_may_be_the_same():
    require_enough([replace(each, label=1.0) for each in ENOUGH], [pair("a", "A", topic="x")])


def test_training_data_needs_neither_the_index_nor_the_database_nor_the_pages():
    code = (
        "import sys\n"
        "import models.training.data, models.training.labeled_files, models.training.augment\n"
        "import models.training.negatives\n"
        "print([name for name in ('faiss', 'sqlalchemy', 'gradio', 'bm25s', 'torch') if name in sys.modules])\n"
        "print(sorted(name for name in sys.modules if name.startswith('kb.')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["[]", "['kb.errors', 'kb.types']"]
