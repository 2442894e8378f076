import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import InputError, TrainingDataError
from kb.types import QAPair
from models.training.data import (
    LabeledPair,
    NeedsConfig,
    SplitConfig,
    class_weights,
    data_manifest,
    labeled_pairs,
    require_enough,
    sampling_weights,
    split,
)
from models.training.grouping import normalised, question_groups
from models.training.labeled_files import read_labeled, write_labeled

CONFIG = SplitConfig()
WORDS = [
    "can",
    "i",
    "return",
    "a",
    "tent",
    "stove",
    "my",
    "order",
    "late",
    "refund",
    "when",
    "cancel",
    "退",
    "货",
    "款",
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
ROW = st.builds(
    LabeledPair,
    question=st.text(st.characters(), min_size=1).filter(str.strip),
    pair_id=st.text(st.characters(), min_size=1).filter(str.strip),
    label=st.floats(0, 1),
    weight=st.floats(0, 1e300),
    origin=st.sampled_from(["pair", "phrasing", "history", "operator", "click"]),
)
SPLITTABLE = st.lists(
    st.builds(
        LabeledPair,
        question=TEXT,
        pair_id=st.sampled_from("abc"),
        label=st.sampled_from([0.0, 1.0]),
        origin=st.sampled_from(["pair", "phrasing", "operator"]),
    ),
    max_size=30,
)


def pair(pair_id, *texts, topic="", answer="An answer."):
    return QAPair(pair_id=pair_id, question=texts[0], answer=answer, topic=topic, phrasings=texts[1:])


def row(question, pair_id="p", label=1.0, **fields):
    return LabeledPair(question=question, pair_id=pair_id, label=label, **fields)


def many(pairs=20, texts=20, seed=0):
    """Pairs whose texts are random words, and so are near to none but by chance."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(2000)]
    return [pair(f"p{at}", *(" ".join(rng.sample(words, 7)) for _ in range(texts))) for at in range(pairs)]


def trigrams(text):
    padded = f" {text} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def near(one, other):
    """The definition, text by text; in these texts words have spaces between them."""
    words, others = set(one.split()), set(other.split())
    left, right = trigrams(one), trigrams(other)
    jaccard = len(words & others) / len(words | others)
    dice = 2 * len(left & right) / (len(left) + len(right))
    return jaccard >= 0.8 - 1e-9 or dice >= 0.85 - 1e-9


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


# Groups


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my order?", "  where is MY order !!"),
        ("Ｗｈｅｒｅ is my order", "where is my order"),
        ("Can I return a tent", "a tent can I return"),
        ("how do i change my delivery address", "how do i change my delivry address"),
        ("can i please return the tent", "can i return the tent"),
        ("don't send it", "dont send it"),
        ("蚂蚁花呗怎么提前还款", "蚂蚁花呗怎么样提前还款"),
    ],
)
def test_questions_that_are_nearly_equal_are_one_group(one, other):
    assert len(set(question_groups([one, other, "an unrelated matter"]))) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("can i return a tent", "can i rent a tent"),
        ("change my delivery address", "change my billing address"),
        ("花呗怎么还款", "借呗额度多少"),
        ("???", "!"),
    ],
)
def test_questions_that_say_something_else_are_two(one, other):
    assert len(set(question_groups([one, other]))) == 2


def test_a_group_is_what_steps_connect_and_is_named_by_its_smallest_text():
    chain = ["b c d e f", "a b c d e f", "a b c d e f g"]
    assert question_groups([*chain, "z"]) == ["a b c d e f"] * 3 + ["z"]


@given(st.lists(st.lists(st.sampled_from(WORDS[:12]), min_size=1, max_size=8).map(" ".join), max_size=25))
def test_groups_are_those_of_comparing_every_text_with_every_other(texts):
    expected = {text: text for text in texts}
    for _ in texts:
        for one in texts:
            for other in texts:
                if near(one, other):
                    expected[one] = expected[other] = min(expected[one], expected[other])
    assert question_groups(texts) == [expected[text] for text in texts]


def test_groups_of_many_slips_are_those_of_comparing_every_text_with_every_other():
    rng = random.Random(1)
    texts = []
    for base in (" ".join(rng.sample(WORDS[:12], 6)) for _ in range(40)):
        for _ in range(6):
            at = rng.randrange(len(base))
            texts.append(normalised(base[:at] + rng.choice("xyz") + base[at + rng.randrange(2) :]))
    edges = [(one, other) for one in texts for other in texts if near(one, other)]
    names = {text: text for text in texts}
    for _ in range(len(texts)):
        before = dict(names)
        for one, other in edges:
            names[one] = names[other] = min(names[one], names[other])
        if names == before:
            break
    assert question_groups(texts) == [names[text] for text in texts]


@given(st.lists(st.text(st.characters()), max_size=8))
def test_any_text_has_a_group(texts):
    assert len(question_groups(texts)) == len(texts)


# Split


@given(SPLITTABLE, st.randoms(use_true_random=False), st.integers(0, 5))
def test_every_row_is_on_one_side_whatever_the_order(rows, shuffler, seed):
    config = replace(CONFIG, seed=seed, validation_share=0.4)
    train, valid = split(rows, config)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert split(shuffled, config) == (train, valid)
    assert sorted(map(str, train + valid)) == sorted(map(str, rows))


@given(SPLITTABLE, st.integers(0, 5))
def test_nothing_in_validation_is_near_to_anything_in_training(rows, seed):
    train, valid = split(rows, replace(CONFIG, seed=seed, validation_share=0.5))
    for held_out in valid:
        for learnt in train:
            assert question_groups([held_out.question, learnt.question]).count(normalised(held_out.question)) < 2
            if "退" not in held_out.question + learnt.question:
                assert not near(normalised(held_out.question), normalised(learnt.question))


def test_near_duplicates_planted_all_over_the_data_do_not_leak():
    rng = random.Random(3)
    rows = labeled_pairs(many(pairs=30, texts=12))
    planted = []
    for each in rng.sample(rows, 120):
        at = rng.randrange(2, len(each.question) - 2)
        slipped = each.question[:at] + each.question[at + 1] + each.question[at] + each.question[at + 2 :]
        planted += [
            replace(each, question=each.question.upper() + " ?!", pair_id=f"p{rng.randrange(30)}", origin="history"),
            replace(each, question=slipped, origin="history"),
        ]
    train, valid = split(rows + planted, CONFIG)
    learnt = [(set(normalised(each.question).split()), trigrams(normalised(each.question))) for each in train]
    assert len(valid) > 30
    for each in valid:
        words, grams = set(normalised(each.question).split()), trigrams(normalised(each.question))
        assert all(len(words & other) < 0.8 * len(words | other) for other, _ in learnt)
        assert all(2 * len(grams & other) < 0.85 * (len(grams) + len(other)) for _, other in learnt)


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_gives_its_share_and_its_own_question_stays_in_training(seed):
    rows = labeled_pairs(many(pairs=40, texts=20))
    train, valid = split(rows, replace(CONFIG, seed=seed))
    shares = {pair_id: sum(each.pair_id == pair_id for each in valid) for pair_id in {each.pair_id for each in rows}}
    assert len(shares) == 40
    assert all(2 <= count <= 4 for count in shares.values())
    assert sum(each.origin == "pair" for each in train) == 40


def test_pairs_of_few_texts_are_in_validation_by_their_share_and_one_of_one_text_never():
    rows = labeled_pairs([*many(pairs=400, texts=3), pair("alone", "nothing else")])
    train, valid = split(rows, CONFIG)
    assert 0.1 < len(valid) / len(rows) < 0.2
    assert row("nothing else", "alone", origin="pair") in train


@given(SPLITTABLE, st.integers(0, 4))
def test_a_pair_keeps_the_texts_that_it_must(rows, least):
    train, valid = split(rows, SplitConfig(validation_share=0.9, least_training=least))
    for pair_id in {each.pair_id for each in valid if each.label}:
        assert sum(each.pair_id == pair_id and each.label == 1 for each in train) >= least


def test_another_seed_is_another_split():
    rows = labeled_pairs(many())
    assert split(rows, CONFIG) != split(rows, replace(CONFIG, seed=1))


def test_rows_that_come_later_leave_the_others_on_their_sides_for_the_most_part():
    pairs = many(pairs=21)
    before = set(split(labeled_pairs(pairs[:20]), CONFIG)[1])
    after = set(split(labeled_pairs(pairs), CONFIG)[1])
    assert len(before - after) <= 0.05 * len(before)


def test_what_is_wrong_for_every_pair_is_shared_out_too():
    rows = [row(each.question, "p", label=0.0, origin="operator") for each in labeled_pairs(many(pairs=5, texts=20))]
    assert 10 <= len(split(rows, CONFIG)[1]) <= 16


def test_the_split_does_not_depend_on_the_hashes_of_a_process():
    code = (
        "from models.training.data import *; from tests.test_models_training_data import many;"
        "print(data_manifest(*split(labeled_pairs(many()), SplitConfig()), many(), SplitConfig())['valid_hash'])"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_a_hundred_thousand_questions_are_split():
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7))) for _ in range(20_000)]
    frequency = list(accumulate(1 / (at + 3) for at in range(len(words))))
    texts = [" ".join(rng.choices(words, cum_weights=frequency, k=rng.randint(4, 9))) for _ in range(100_000)]
    rows = [row(text, f"p{at % 5_000}") for at, text in enumerate(texts)]
    began = time.process_time()
    train, valid = split(rows, CONFIG)
    print(f"100,000 questions split in {time.process_time() - began:.1f} s of processor time")
    assert len(train) + len(valid) == 100_000
    assert 0.1 < len(valid) / 100_000 < 0.16


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

ENOUGH = [row(f"question number {at}", "ab"[at % 2], label=float(at % 3 > 0)) for at in range(30)]
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


# Files


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@given(rows=st.lists(ROW, max_size=5))
def test_files_give_back_exactly_what_was_written(tmp_path_factory, suffix, rows):
    path = tmp_path_factory.mktemp("labelled") / f"rows{suffix}"
    write_labeled(path, rows)
    assert read_labeled(path) == rows
    assert list(path.parent.iterdir()) == [path]


def test_columns_that_are_left_out_take_their_defaults(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffpair_id,question,label\na,Where?,0.5\n\nb,Late?,\n", encoding="utf-8")
    assert read_labeled(path) == [row("Where?", "a", label=0.5), row("Late?", "b")]


def test_a_cell_that_a_spreadsheet_would_run_is_written_as_text(tmp_path):
    write_labeled(tmp_path / "rows.csv", [row("=1+1", "a")])
    assert "'=1+1" in (tmp_path / "rows.csv").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"question,pair_id\nWhere?,a\nLate?\n", "expected 2 columns in line 3 of .*; got 1; mend"),
        ("rows.csv", b'question,pair_id\n"a\nb",a\n"x"y,a\n', "in line 4 of"),
        ("rows.csv", b'question,pair_id\nWhere?,a\n"open,a\n', "in line 3 of"),
        (
            "rows.csv",
            b"question,pair_id,label\nWhere?,a,high\n",
            "expected a number as label in line 2 of .*; got 'high'",
        ),
        ("rows.csv", b"question,pair_id,label\nWhere?,a,nan\n", "line 2 of .* expected a label from 0 to 1"),
        ("rows.csv", b"question,pair_id,lable\nWhere?,a,1\n", "line 2 of .*; got also lable; "),
        ("rows.csv", b"question\nWhere?\n", "line 2 of .*; got no pair_id; "),
        ("rows.csv", b"question,pair_id\n ,a\n", "line 2 of .* expected a question and a pair id"),
        ("rows.csv", b"question,pair_id\nWhere?,a\n\xff\xfe,a\n", "got other bytes in line 3; save it as UTF-8"),
        ("rows.jsonl", b'{"question": "Where?", "pair_id": "a"}\nnot json\n', "expected a JSON object in line 2 of"),
        ("rows.jsonl", b"[1]\n", "expected a JSON object in line 1 of .*; got list"),
        ("rows.jsonl", b'{"question": 5, "pair_id": "a"}\n', "expected a text as question in line 1 of"),
        ("rows.jsonl", b'{"question": "W", "pair_id": "a", "label": true}\n', "expected a number as label in line 1"),
        ("rows.jsonl", b'{"question": "W", "pair_id": "a", "origin": "x"}\n', "line 1 of .* expected an origin of"),
        ("rows.xlsx", b"", "expected a file whose name ends in .jsonl or .csv; got rows.xlsx"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingDataError, match=message):
        read_labeled(tmp_path / name)


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(TrainingDataError, match=r"expected a file of labelled pairs at .*; got No such file"):
        read_labeled(tmp_path / "none.csv")
    with pytest.raises(TrainingDataError, match="expected a file that can be written"):
        write_labeled(tmp_path / "none" / "rows.csv", [])


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "rows.csv"
    write_labeled(path, ENOUGH)

    def broken():
        yield ENOUGH[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingDataError, match="No space left"):
        write_labeled(path, broken())
    assert read_labeled(path) == ENOUGH
    assert list(tmp_path.iterdir()) == [path]


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
