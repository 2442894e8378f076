import json
import tomllib
from dataclasses import replace

import optuna
import pytest
from cli_runner import configured, frontdesk
from technique_corpus import held_out, labeled, pairs
from tiny_model import save_tiny_model

from bot.config import Config, EncoderConfig, from_mapping, load_config, training_of
from bot.corpus import Corpus
from bot.toml_text import changes, merged, toml
from bot.tuning import TuneConfig, _Reporter, tune
from kb.errors import StorageError, TrainingDataError
from models.training.config import ContrastiveConfig, MatchingConfig, OptimiserConfig, TrainingConfig

CORPUS = Corpus(pairs=pairs(), train=labeled(), valid=held_out())
TRAINING = TrainingConfig(
    encoder=OptimiserConfig(steps=4, precision="fp32"),
    contrastive=ContrastiveConfig(anchors=4, max_length=20),
    matcher=OptimiserConfig(steps=4, precision="fp32"),
    matching=MatchingConfig(groups=2, candidates=2, max_length=30),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", "mean")


def quiet(stage, done, total, note=""):
    pass


def search(model, var, tuning, *, corpus=CORPUS, progress=quiet):
    config = Config(encoder=EncoderConfig(model=str(model), runtime="torch"))
    return tune(corpus, TRAINING, config, tuning, var, progress)


def suggested(var, study):
    storage = f"sqlite:///{var / 'tuning' / 'trials.db'}"
    return [(each.state.name, each.params) for each in optuna.load_study(study_name=study, storage=storage).trials]


@pytest.mark.parametrize("stage", ["encoder", "matcher"])
def test_a_search_gives_a_configuration_that_a_training_takes(model, tmp_path, stage):
    found = search(model, tmp_path, TuneConfig(stage=stage, trials=2))
    assert found.trials == 2
    assert 0 <= found.p_at_1 <= 1
    taken = from_mapping(TrainingConfig, tomllib.loads(toml(found.training)), "training", TRAINING)
    tuned, before = getattr(taken, stage), getattr(TRAINING, stage)
    assert tuned.learning_rate != before.learning_rate
    assert not list((tmp_path / "tuning").glob("*/trial-*"))


def test_a_search_that_goes_on_suggests_what_one_without_a_break_does(model, tmp_path):
    whole = search(model, tmp_path / "whole", TuneConfig(trials=3))
    search(model, tmp_path / "parts", TuneConfig(trials=2))
    parts = search(model, tmp_path / "parts", TuneConfig(trials=3))
    assert whole.study == parts.study
    trials = suggested(tmp_path / "parts", parts.study)
    assert len(trials) == 3
    assert [params for _, params in trials] == [params for _, params in suggested(tmp_path / "whole", whole.study)]


def test_ctrl_c_leaves_the_best_so_far_and_the_search_goes_on_afterwards(model, tmp_path):
    def stopped_in_the_second(stage, done, total, note=""):
        if (stage, done) == ("Trials", 1):
            raise KeyboardInterrupt

    found = search(model, tmp_path, TuneConfig(trials=3), progress=stopped_in_the_second)
    assert (found.is_interrupted, found.trials) == (True, 1)
    again = search(model, tmp_path, TuneConfig(trials=3))
    assert (again.is_interrupted, again.trials) == (False, 3)


def test_a_trial_that_a_kill_left_open_does_not_count(model, tmp_path):
    first = search(model, tmp_path, TuneConfig(trials=1))
    study = optuna.load_study(study_name=first.study, storage=f"sqlite:///{tmp_path / 'tuning' / 'trials.db'}")
    study.ask()
    assert search(model, tmp_path, TuneConfig(trials=2)).trials == 2
    assert [state for state, _ in suggested(tmp_path, first.study)] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_a_trial_below_the_median_of_earlier_ones_is_stopped_at_a_validation():
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
    for value in (0.8, 0.9):
        trial = study.ask()
        _Reporter(trial, "encoder").scalar("encoder/validation", value, 5)
        study.tell(trial, value)
    reporter = _Reporter(study.ask(), "encoder")
    reporter.scalar("encoder/loss", 9.0, 5)
    reporter.scalar("matcher/validation", 0.0, 5)
    with pytest.raises(optuna.TrialPruned):
        reporter.scalar("encoder/validation", 0.1, 5)


def test_without_validation_questions_there_is_nothing_to_search_by(model, tmp_path):
    with pytest.raises(TrainingDataError, match="expected validation questions"):
        search(model, tmp_path, TuneConfig(), corpus=replace(CORPUS, valid=[]))


def test_a_damaged_file_of_trials_is_named(model, tmp_path):
    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "trials.db").write_text("no database, but longer than a header of one " * 9)
    with pytest.raises(StorageError, match=r"trials\.db; got .*; move the file away"):
        search(model, tmp_path, TuneConfig())


def test_toml_is_read_as_what_was_written():
    document = {
        "name": 'a "quoted" \\ text with \x7f and ü',
        "web": {"port": 1, "origins": ["a", "b"]},
        "training": {"encoder": {"learning_rate": 3e-05, "steps": 20}, "matching": {"loss": "bce"}},
    }
    assert tomllib.loads(toml(document)) == document


def test_changes_and_merged_are_each_others_opposite():
    base = {"a": 1, "b": {"c": 2, "d": {"e": 3}}}
    other = {"a": 1, "b": {"c": 5, "d": {"e": 4}}}
    assert changes(other, base) == {"b": {"c": 5, "d": {"e": 4}}}
    assert merged(base, changes(other, base)) == other


@pytest.fixture
def intents(tmp_path):
    train, valid = tmp_path / "train.csv", tmp_path / "valid.csv"
    rows = [f"{text},{pair.pair_id}" for pair in pairs() for text in (pair.question, *pair.phrasings)]
    train.write_text("\n".join(["text,label", *rows]))
    valid.write_text("\n".join(["text,label", *(f"{row.question},{row.pair_id}" for row in held_out())]))
    return train, valid


MORE = (
    '[training.encoder]\nsteps = 4\nprecision = "fp32"\n[training.contrastive]\nanchors = 4\nmax_length = 20\n'
    "[retrieval]\ntop_k = 5\n"
)


def test_the_command_writes_a_file_that_train_takes_and_prints_one_json_object(model, tmp_path, intents):
    var = configured(tmp_path / "var", model, MORE)
    ran = frontdesk("tune", "--train", intents[0], "--valid", intents[1], "--trials", 1, "--var", var, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["trials"] == 1
    config = load_config(tmp_path / "var" / "tuning" / "best.toml")
    assert (config.encoder.model, config.retrieval.top_k) == (str(model), 5)
    training = training_of(config, "quick")
    assert training.encoder.learning_rate == ran.document["training"]["encoder"]["learning_rate"]
    assert (training.encoder.seconds, training.contrastive.max_length) == (0.0, 20)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--train", "nowhere.csv"), "expected a UTF-8 file at nowhere.csv; got No such file"),
        (("--valid", "x.csv"), "expected --train beside --valid; got --valid alone; name both"),
        (("--stage", "probe"), "expected encoder or matcher; got probe; name one of them"),
        (("--preset", "fast"), "expected a preset out of"),
        ((), "expected labelled questions to train on; got no text"),
    ],
)
def test_what_can_not_be_tuned_is_an_error_with_the_remedy(model, tmp_path, arguments, said):
    ran = frontdesk("tune", *arguments, "--var", configured(tmp_path / "var", model))
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_ctrl_c_of_the_command_writes_the_best_and_exits_as_interrupted(model, tmp_path, intents, monkeypatch):
    from bot.tuning import _Search

    told = _Search._tell

    def stopped_in_the_second(self, done):
        if done == 1:
            raise KeyboardInterrupt
        told(self, done)

    monkeypatch.setattr(_Search, "_tell", stopped_in_the_second)
    var = configured(tmp_path / "var", model, MORE)
    ran = frontdesk("tune", "--train", intents[0], "--valid", intents[1], "--trials", 5, "--var", var, "--json")
    assert ran.code == 130
    assert json.loads(ran.out)["is_interrupted"] is True
    assert (tmp_path / "var" / "tuning" / "best.toml").is_file()
