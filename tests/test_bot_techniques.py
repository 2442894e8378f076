"""The stages of a training that are off by default, each on: they run, reduce the loss, and refuse what can't be."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from cli_runner import configured, frontdesk
from fakes_encoder import FakeEncoder, assemble
from technique_corpus import TOPICS, held_out, labeled, pairs, unlabelled
from tiny_model import save_tiny_model

from bot.asking import Judges
from bot.config import Config, EncoderConfig
from bot.corpus import Corpus, asked_of, questions_of
from bot.fine_tuning import AGAIN, DISTILLED, FineTuning
from bot.indexing import judges_of
from bot.matching_data import matching_groups, topics_of
from bot.self_training import least_confidence, pseudo_labeled, read_unlabelled
from bot.serving import Models
from kb.errors import ModelError, TrainingDataError, TrainingError
from models.calibrate import Calibration
from models.folder import open_model
from models.probe import ProbeConfig
from models.training.bases import load_matcher_module, save_matcher
from models.training.config import (
    ContrastiveConfig,
    DistilConfig,
    MatchingConfig,
    OptimiserConfig,
    SelfTrainingConfig,
    TrainingConfig,
)
from models.training.data import SplitConfig, class_weights
from models.training.labeled_files import read_labeled

STEPS = OptimiserConfig(steps=6, learning_rate=2e-3, validate_every=0, keep="last", precision="fp32")
EASY = SelfTrainingConfig(precision=0.0, fewest=1, most_per_pair=2, weight=0.25)
STEEP = Calibration(slope=9.0, intercept=-4.0, threshold=0.5, origin="fitted", validation={})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


@pytest.fixture(scope="module")
def teacher(model, tmp_path_factory):
    torch.manual_seed(3)
    base = open_model(str(model))
    module, _, _ = load_matcher_module(base)
    folder = tmp_path_factory.mktemp("teacher") / "matcher"
    save_matcher(module, base, folder, 40)
    return str(folder)


def corpus(**changes):
    return replace(Corpus(pairs=pairs(), train=labeled(), valid=held_out()), **changes)


def training(**changes):
    plain = TrainingConfig(
        encoder=STEPS,
        contrastive=ContrastiveConfig(anchors=6, max_length=30),
        matcher=replace(STEPS, steps=0),
        matching=MatchingConfig(groups=4, candidates=3, max_length=40),
    )
    return replace(plain, **changes)


def tuning(model, folder, config, known=None, **more):
    settings = Config(encoder=EncoderConfig(model=str(model), runtime="torch"))
    run = folder / "run"
    caches = {"encoders": folder / "encoders", "vectors": folder / "vectors"}
    return FineTuning([known or corpus()], config, settings, run, **caches, **more)


def falls(curve, most=4):
    losses = [loss for _, loss in curve.losses]
    return np.mean(losses[-most:]) < np.mean(losses[:most])


def test_a_trained_matcher_is_distilled_into_the_encoder_which_then_serves(model, tmp_path):
    distil = DistilConfig(optimiser=replace(STEPS, steps=30), questions=12, max_length=40)
    done = tuning(model, tmp_path, training(matcher=STEPS, distil=distil)).run()
    assert falls(done.curves[DISTILLED], 6)
    assert (done.encoder.name, done.matcher.name) == (DISTILLED, "matcher")
    weights = [each / "model.safetensors" for each in (done.encoder, tmp_path / "run" / "encoder")]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert done.models.encoder.encoder_id == open_model(str(done.encoder)).encoder_id


def test_a_teacher_is_distilled_into_a_matcher_of_fewer_layers(model, teacher, tmp_path):
    matching = MatchingConfig(groups=4, candidates=3, max_length=40, distil_weight=1.0)
    config = training(
        encoder=replace(STEPS, steps=0), matcher=replace(STEPS, steps=40), matching=matching, teacher=teacher,
        keep_layers=1,
    )  # fmt: skip
    done = tuning(model, tmp_path, config).run()
    assert falls(done.curves["matcher"], 9)
    saved = json.loads((done.matcher / "config.json").read_text())
    assert (saved["num_hidden_layers"], json.loads((model / "config.json").read_text())["num_hidden_layers"]) == (1, 2)
    module, _, _ = load_matcher_module(open_model(str(done.matcher)))
    assert not any(".layer.1." in name for name, _ in module.named_parameters())


def test_a_matcher_that_learns_topics_has_one_logit_when_it_is_saved(model, tmp_path):
    matching = MatchingConfig(groups=6, candidates=3, max_length=40, topic_weight=1.0)
    config = training(encoder=replace(STEPS, steps=0), matcher=replace(STEPS, steps=40), matching=matching)
    done = tuning(model, tmp_path, config).run()
    assert falls(done.curves["matcher"], 9)
    module, _, _ = load_matcher_module(open_model(str(done.matcher)))
    assert module.classifier.weight.shape[0] == 1


def test_groups_carry_the_topic_of_each_candidate_and_weigh_rare_pairs_more():
    rare = [row for row in labeled() if row.pair_id != "zip" or row.origin == "pair"]
    known = corpus(train=rare)
    config = training(matching=MatchingConfig(candidates=3, topic_weight=0.5, balance=0.9))
    topics = topics_of([known], config)
    assert topics == {TOPICS[0]: 0, TOPICS[1]: 1}
    judges = Judges(retriever=assemble(pairs()).retriever)
    groups = matching_groups(known, judges, config, topics, lambda done, total: None)
    for group in groups:
        # Each pair's texts have its id, and no other one's.
        asked = [next(pair for pair in pairs() if pair.pair_id in text) for text in group.candidates]
        assert list(group.topics) == [topics[pair.topic] for pair in asked]
    weights = class_weights([6, 6, 6, 6, 1, 6], 0.9)
    assert sorted({group.weight for group in groups}) == pytest.approx(sorted(set(weights)))
    assert max(groups, key=lambda group: group.weight).question == "what about the zip?"


def test_one_topic_alone_can_not_be_told():
    alone = corpus(pairs=[replace(pair, topic="delivery") for pair in pairs()])
    with pytest.raises(TrainingDataError, match=r"two topics or more.*got one, delivery; .*topic_weight to 0"):
        topics_of([alone], training(matching=MatchingConfig(topic_weight=0.5)))


def test_self_training_trains_the_encoder_anew_on_sure_questions_too(model, tmp_path):
    known = corpus(unlabelled=unlabelled())
    done = tuning(model, tmp_path, training(self_training=EASY), known).run()
    rows = read_labeled(tmp_path / "run" / "pseudo.0.jsonl")
    assert 0 < len(rows) == done.metrics["self_training"]["taken"]
    assert done.metrics["self_training"]["questions"] == len(unlabelled())
    assert {(row.origin, row.weight, row.label) for row in rows} == {("pseudo", 0.25, 1.0)}
    assert done.encoder.name == AGAIN
    assert len(done.curves[AGAIN].losses) == STEPS.steps


def test_where_nothing_is_sure_enough_the_first_encoder_stays(model, tmp_path):
    never = SelfTrainingConfig(fewest=1_000)
    done = tuning(model, tmp_path, training(self_training=never), corpus(unlabelled=unlabelled())).run()
    assert done.metrics["self_training"]["taken"] == 0
    assert done.encoder.name == "encoder"


def labelled_by(unlabelled, config=EASY, off_topic=("what is the weather",), **changes):
    """Pseudo-labels by a bag of words, sure enough where it is as sure as of the held-out questions."""
    encoder = FakeEncoder(dimension=256)
    judges = judges_of(assemble(pairs(), encoder).retriever, Models(encoder=encoder), ProbeConfig())
    asked = asked_of(questions_of(held_out(), pairs()), encoder, {})
    known = corpus(unlabelled=unlabelled, **changes)
    return pseudo_labeled(known, judges, STEEP, asked, off_topic, config, SplitConfig())


def test_pseudo_labels_are_the_pairs_that_retrieval_and_probe_name_alike_the_surest_first_and_few_for_each():
    texts = [
        "so where is my own parcel",
        "refund again and again",
        "now where is my parcel",
        "parcel, my parcel please",
    ]
    rows = labelled_by(texts)
    assert [row.pair_id for row in rows] == ["parcel", "parcel", "refund"]
    # The one with a word that no phrasing has is the least sure of three.
    assert "so where is my own parcel" not in [row.question for row in rows]


def test_questions_of_validation_and_those_that_are_known_are_not_learnt_from():
    near = "Question on a parcel, please."
    assert [row.question for row in labelled_by([near])] == [near]
    held = [replace(held_out()[0], question="question on a parcel please")]
    assert labelled_by([near], valid=held) == []
    assert labelled_by(["Parcel again!"]) == []


def test_nothing_is_taken_where_what_is_off_topic_is_as_sure():
    strict, texts = replace(EASY, precision=0.9), ["now where is my parcel"]
    assert labelled_by(texts, strict)
    assert labelled_by(texts, strict, off_topic=["where is my parcel"] * 9) == []


def test_the_least_confidence_is_that_from_which_on_enough_is_right():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, False])
    asked = SelfTrainingConfig(precision=0.75, fewest=2)
    assert least_confidence(confidence, right, asked) == 0.6
    assert least_confidence(confidence, right, replace(asked, precision=0.9)) == 0.8
    assert least_confidence(confidence, ~right, replace(asked, precision=0.9)) is None
    assert least_confidence(confidence, right, replace(asked, fewest=6)) is None
    # The wrong one is as sure as the second right one: both or none.
    assert least_confidence(np.array([0.9, 0.8, 0.8]), right[:3], replace(asked, precision=0.9)) is None
    assert least_confidence(np.empty(0), np.empty(0, dtype=bool), asked) is None


def test_synonyms_and_splices_change_what_the_encoder_reads(model, tmp_path):
    (tmp_path / "synonyms.txt").write_text("parcel, package\n")
    augmented = ContrastiveConfig(anchors=6, max_length=30, augment=1.0, splice=0.5)
    config = training(contrastive=augmented, augment_synonyms=str(tmp_path / "synonyms.txt"))
    done = tuning(model, tmp_path, config).run()
    plain = tuning(model, tmp_path / "plain", training()).run()
    assert done.curves["encoder"].losses != plain.curves["encoder"].losses


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"teacher": "/nowhere/matcher"}, ModelError, "expected a folder with a model"),
        ({"teacher": "MODEL", "matcher": STEPS}, ModelError, "expected a matcher with one logit as teacher"),
        ({"teacher": "TEACHER", "matcher": STEPS}, TrainingError, "expected matching.distil_weight above 0"),
        ({"distil": DistilConfig(optimiser=STEPS)}, TrainingError, "expected a matcher to distil into the encoder"),
        ({"augment_synonyms": "nowhere.txt"}, TrainingDataError, "expected a UTF-8 file of synonyms"),
        ({"keep_layers": 3, "matcher": STEPS}, TrainingError, "expected a model of 3 layers or more"),
    ],
)
def test_what_can_not_be_is_refused(model, teacher, tmp_path, changes, error, said, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    named = {"MODEL": str(model), "TEACHER": teacher}
    changes = {key: named.get(value, value) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(error, match=said):
        tuning(model, tmp_path, training(encoder=replace(STEPS, steps=1), **changes)).run()


def test_unlabelled_questions_are_read_from_text_and_csv_each_once(tmp_path):
    (tmp_path / "asked.txt").write_text("Where is it?\n\n  where is it \nHow much?\n", encoding="utf-8")
    (tmp_path / "asked.csv").write_text('day,text\n1,"Where, then?"\n2,\n')
    assert read_unlabelled(tmp_path / "asked.txt") == ["Where is it?", "How much?"]
    assert read_unlabelled(tmp_path / "asked.csv") == ["Where, then?"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.txt", None, "expected a UTF-8 file of questions at FILE; got No such file or directory; name another"),
        ("empty.txt", b" \n\n", "expected unlabelled questions in FILE; got no text; name a file that has some"),
        ("other.csv", b"a,b\n1,2\n", "expected a column question or text; got other.csv with a, b; rename the column"),
        ("latin.txt", b"gr\xfc\xdfe\n", "expected a UTF-8 file of questions at FILE; got"),
    ],
)
def test_a_file_without_questions_is_an_error_of_train_with_the_remedy(model, tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    ran = frontdesk("train", "--unlabelled", path, "--var", configured(tmp_path / "var", model))
    assert ran.code == 2
    assert said.replace("FILE", str(path)) in " ".join(ran.err.split())


def test_train_names_a_teacher_that_is_not_there(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    faq = tmp_path / "faq.csv"
    lines = [f"{text},Answer {pair.pair_id}." for pair in pairs() for text in (pair.question, *pair.phrasings)]
    faq.write_text("\n".join(["question,answer", *lines]))
    var = configured(tmp_path / "var", model, '[training]\nteacher = "/nowhere/matcher"\n')
    assert frontdesk("import", faq, "--var", var).code == 0
    ran = frontdesk("train", "--var", var)
    assert ran.code == 2
    assert "expected a folder with a model, or the name of one on the hub; got /nowhere/matcher" in " ".join(
        ran.err.split()
    )
