import json
import shutil
from dataclasses import replace
from functools import partial

import pytest
from fakes_bot import ASKED_SHOP
from fakes_kb import pair
from tiny_model import save_tiny_model

from bot.build import CHECKPOINTS, load_bot, open_models
from bot.config import Config, EncoderConfig
from bot.indexing import INDEX, update_index
from bot.promotion import promote
from bot.training import RUNS, corpus_of, run_id, train
from kb.errors import ModelError, TrainingDataError, TrainingError
from kb.store import KnowledgeStore
from models.checkpoints import list_checkpoints, open_checkpoint
from models.training.config import (
    ContrastiveConfig,
    MatchingConfig,
    NeedsConfig,
    OptimiserConfig,
    SplitConfig,
    TrainingConfig,
)
from models.training.data import LabeledPair

QUESTION = "track my delivery please"
FEW = TrainingConfig(
    split=SplitConfig(validation_share=0.3),
    needs=NeedsConfig(least_questions=10),
    encoder=OptimiserConfig(steps=4, validate_every=2, keep="last", precision="fp32"),
    contrastive=ContrastiveConfig(anchors=6, refresh_every=2, max_length=24),
    matcher=OptimiserConfig(steps=3, validate_every=2, precision="fp32"),
    matching=MatchingConfig(groups=3, candidates=4, max_length=32),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "mean")


@pytest.fixture
def config(tiny):
    return Config(encoder=EncoderConfig(model=str(tiny), runtime="torch"))


@pytest.fixture
def store(sqlite_engine):
    store = KnowledgeStore(sqlite_engine)
    store.upsert(ASKED_SHOP)
    return store


def test_a_training_makes_a_whole_checkpoint_and_serves_nothing(store, config, tmp_path):
    update_index(store, partial(open_models, tmp_path, config), tmp_path, config)
    before = (tmp_path / INDEX / "CURRENT").read_text()
    done = train(store, tmp_path, config, FEW)
    checkpoint = open_checkpoint(tmp_path / CHECKPOINTS, done.checkpoint.checkpoint_id)
    assert checkpoint.matcher is not None
    assert checkpoint.matching is not None
    assert checkpoint.calibration is not None
    assert set(checkpoint.metrics) == {"before", "after"}
    assert checkpoint.metrics["after"]["questions"] > 0
    assert checkpoint.data_hash == done.manifest["data_hash"]
    assert checkpoint.config["training"]["encoder"]["steps"] == 4
    assert (tmp_path / INDEX / "CURRENT").read_text() == before
    assert not (tmp_path / RUNS / run_id(done.manifest, FEW, config)).exists()


def test_what_was_trained_answers_once_it_is_promoted(store, config, tmp_path):
    done = train(store, tmp_path, config, FEW)
    report = promote(tmp_path, store, config, done.checkpoint.checkpoint_id)
    bot = load_bot(tmp_path, partial(open_models, tmp_path, config), config, report.snapshot_id)
    reply = bot.answer(QUESTION)
    assert reply.snapshot.checkpoint == done.checkpoint.checkpoint_id
    assert bot.rank(QUESTION)[0].pair.pair_id == "track"


def test_the_same_training_twice_gives_the_same_weights_and_figures(store, config, tmp_path):
    first, second = (train(store, tmp_path / name, config, FEW) for name in ("a", "b"))
    for model in ("encoder", "matcher"):
        weights = [(each.checkpoint.path / model / "model.safetensors").read_bytes() for each in (first, second)]
        assert weights[0] == weights[1]
    assert first.result.metrics == second.result.metrics


def test_another_seed_gives_other_weights_and_holds_out_the_same_questions(store, config, tmp_path):
    first, second = (train(store, tmp_path / str(seed), config, FEW.seeded(seed)) for seed in (0, 1))
    weights = [(each.checkpoint.path / "encoder" / "model.safetensors").read_bytes() for each in (first, second)]
    assert weights[0] != weights[1]
    assert first.manifest["valid_hash"] == second.manifest["valid_hash"]


def test_a_training_that_broke_after_the_encoder_goes_on_with_it(store, config, tmp_path, monkeypatch):
    whole = train(store, tmp_path / "whole", config, FEW)
    # The base model of the matcher is away the first time.
    away = tmp_path / "away"
    broken = replace(FEW, matcher_base=str(away))
    with pytest.raises(ModelError):
        train(store, tmp_path / "broken", config, broken)
    assert list_checkpoints(tmp_path / "broken" / CHECKPOINTS) == []
    (run,) = (tmp_path / "broken" / RUNS).iterdir()
    kept = (run / "encoder" / "model.safetensors").stat().st_mtime_ns
    shutil.copytree(config.encoder.model, away)
    done = train(store, tmp_path / "broken", config, broken)
    assert (done.checkpoint.path / "encoder" / "model.safetensors").read_bytes() == (
        whole.checkpoint.path / "encoder" / "model.safetensors"
    ).read_bytes()
    assert kept is not None
    assert not run.exists()


def test_verdicts_are_learned_from(store, config, tmp_path):
    verdict = LabeledPair(question="did my package get lost", pair_id="track", origin="operator")
    corpus, manifest = corpus_of(ASKED_SHOP, FEW, [verdict])
    assert manifest["origins"]["operator"] == 1
    assert verdict in (*corpus.train, *corpus.valid)


def test_what_is_held_out_is_not_known_when_it_is_asked():
    corpus, _ = corpus_of(ASKED_SHOP, FEW)
    known = {text for each in corpus.known() for text in (each.question, *each.phrasings)}
    assert corpus.valid
    assert not known & {row.question for row in corpus.valid}


@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([pair("Where is my order?", "There.", pair_id="only")], "expected 10 different questions"),
        (
            [pair("Where?", "There.", pair_id="only", phrasings=[f"where number {at}" for at in range(20)])],
            "expected questions that two pairs",
        ),
    ],
)
def test_too_little_to_learn_from_is_refused_before_anything_is_written(sqlite_engine, config, tmp_path, pairs, named):
    store = KnowledgeStore(sqlite_engine)
    store.upsert(pairs)
    with pytest.raises(TrainingDataError, match=named):
        train(store, tmp_path, config, FEW)
    assert not (tmp_path / CHECKPOINTS).exists()


def test_a_loss_that_is_not_finite_ends_the_training_with_a_remedy(store, config, tmp_path):
    wild = replace(FEW, encoder=replace(FEW.encoder, steps=60, learning_rate=1e30, clip=0, warm_up=0.0))
    with pytest.raises(TrainingError, match=r"expected a finite loss; got .*; lower the learning rate"):
        train(store, tmp_path, config, wild)
    assert list_checkpoints(tmp_path / CHECKPOINTS) == []


def test_the_card_of_a_checkpoint_tells_what_it_was_made_of(store, config, tmp_path):
    done = train(store, tmp_path, config, replace(FEW, matcher=OptimiserConfig(steps=0)))
    assert done.checkpoint.matcher is None
    about = json.loads((done.checkpoint.path / "training.json").read_text())
    assert about["data"]["train"] == done.manifest["train"]
    assert [step for step, _ in about["curves"]["encoder"]["losses"]] == [1, 2, 3, 4]
