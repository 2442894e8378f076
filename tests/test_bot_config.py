from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import (
    POSITIVE,
    SHARES,
    Branding,
    Config,
    from_mapping,
    load_config,
    settings_hash,
    to_mapping,
    training_of,
)
from bot.rules import Never, RuleSet
from kb.errors import ConfigError
from kb.retriever import RetrievalConfig
from models.training.config import TrainingConfig

SECTIONS = [field.name for field in fields(Config) if field.name != "training"]
"""Those that are of a fixed form; `training` is laid over a preset."""


def load(folder: Path, text: str) -> Config:
    path = folder / "frontdesk.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_without_a_file_the_defaults_hold():
    assert load_config() == Config()


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load(tmp_path, "") == Config()


def test_what_the_file_names_is_set_and_the_rest_stays(tmp_path):
    config = load(tmp_path, '[branding]\nname = "Grüne Zelte"\nstarters = ["Wo?", "Wann?"]\n[web]\nport = 8080\n')
    assert (config.branding.name, config.branding.starters) == ("Grüne Zelte", ("Wo?", "Wann?"))
    assert config.branding.greeting == Branding().greeting
    assert (config.web.port, config.web.host) == (8080, "127.0.0.1")
    assert config.retrieval == Config().retrieval


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_in_any_section_is_an_error_that_names_it_and_those_known(section, tmp_path):
    known = fields(getattr(Config(), section))[0].name
    with pytest.raises(ConfigError, match=rf"expected keys {known}.*{section}: colour_of_the_sky; remove or rename"):
        load(tmp_path, f'[{section}]\ncolour_of_the_sky = "blue"\n')


def test_an_unknown_section_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"got .*frontdesk\.toml: colours"):
        load(tmp_path, "[colours]\nsky = 1\n")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[web]\nport = "8080"', "expected int; got .*port = '8080'"),
        ("[web]\nport = 80.5", "port = 80.5"),
        ("[web]\nport = true", "port = True"),
        ("[web]\nhost = 1", "expected str; got .*host = 1"),
        ("[web]\nheader_timeout_s = false", "expected float; got .*False"),
        ("[web]\nallowed_origins = 'https://a.example'", "expected a list of strings"),
        ("[web]\ntrusted_proxies = [1]", "expected a list of strings"),
        ("web = 3", r"expected a table; got .*web = 3; write \[section\]"),
        ("[policy.threshold]\nvalue = 1", "expected float"),
        ("[encoder]\nruntime = 'cuda'", "expected auto or onnx or torch; got .*runtime = 'cuda'"),
        ("[encoder]\nruntime = []", "runtime = "),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_that_names_key_and_value(text, named, tmp_path):
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, text)


TRAINING = TrainingConfig()
TABLES = {section: getattr(Config(), section) for section in SECTIONS if section != "training"} | {
    f"training: {field.name}": getattr(TRAINING, field.name)
    for field in fields(TRAINING)
    if is_dataclass(getattr(TRAINING, field.name))
}
NUMBERS = {
    (section, field.name): getattr(table, field.name)
    for section, table in TABLES.items()
    for field in fields(table)
    if type(getattr(table, field.name)) in (int, float)
}


def test_the_keys_with_a_range_are_keys_of_a_section():
    assert {key for _, key in NUMBERS} >= SHARES | POSITIVE


@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_a_number_out_of_its_range_is_an_error_that_names_key_and_range(section, key, tmp_path):
    whole = type(NUMBERS[section, key]) is int
    low = [-1, *([0] if key in POSITIVE else [])]
    high = [] if whole else [float("inf"), float("nan"), *([1.5] if key in SHARES else [])]
    for value in (*low, *high):
        with pytest.raises(ConfigError, match=f"expected a number .*; got .*{section}: {key} = .*; mend"):
            load(tmp_path, f"[{section.replace(': ', '.')}]\n{key} = {value}\n")


@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_the_default_of_a_number_is_in_its_range(section, key):
    table = TABLES[section]
    assert from_mapping(type(table), {key: NUMBERS[section, key]}, "here", table) == table


def test_a_whole_number_is_a_number(tmp_path):
    threshold = load(tmp_path, "[policy]\nthreshold = 1\n").policy.threshold
    assert threshold == 1.0
    assert type(threshold) is float


def test_a_line_that_is_not_toml_is_an_error_that_names_the_line(tmp_path):
    with pytest.raises(ConfigError, match="line 2"):
        load(tmp_path, "[web]\nport 8080\n")


def test_a_file_in_another_encoding_is_an_error(tmp_path):
    path = tmp_path / "frontdesk.toml"
    path.write_bytes('[branding]\nname = "Zürich"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match="expected a TOML file"):
        load_config(path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"no file at .*absent\.toml; name an existing file"):
        load_config(tmp_path / "absent.toml")


def test_a_folder_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="expected a TOML file"):
        load_config(tmp_path)


def test_the_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Config().web.port = 1


def test_every_section_is_a_dataclass_with_defaults():
    assert all(is_dataclass(getattr(Config(), section)) for section in SECTIONS)


def test_a_config_as_plain_values_is_read_back_the_same(tmp_path):
    config = load(tmp_path, '[branding]\nstarters = []\n[policy]\nthreshold = 0.25\n[encoder]\nruntime = "torch"\n')
    document = to_mapping(config)
    document["branding"]["starters"] = list(document["branding"]["starters"])
    for name in ("trusted_proxies", "allowed_origins"):
        document["web"][name] = list(document["web"][name])
    assert from_mapping(Config, document, "here") == config


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(SECTIONS) | st.text(), VALUES, max_size=3))
def test_any_document_gives_a_config_or_a_config_error(document):
    try:
        config = from_mapping(Config, document, "here")
    except ConfigError:
        return
    assert isinstance(config, Config)


def test_what_differs_from_a_preset_is_set_and_the_rest_of_the_preset_stays(tmp_path):
    config = load(tmp_path, "[training.encoder]\nlearning_rate = 1e-4\n")
    changed, plain = training_of(config, "quick"), training_of(Config(), "quick")
    assert changed.encoder.learning_rate == 1e-4
    assert replace(changed, encoder=replace(changed.encoder, learning_rate=plain.encoder.learning_rate)) == plain


def test_an_unknown_key_of_a_training_is_an_error_when_the_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"training: encoder: stepps"):
        load(tmp_path, "[training.encoder]\nstepps = 3\n")


def test_an_unknown_preset_is_an_error_that_names_those_there_are():
    with pytest.raises(ConfigError, match="quick, balanced, best; got slow"):
        training_of(Config(), "slow")


# What decides about an answer


@pytest.mark.parametrize("name", ["policy", "selection", "follow_ups", "encoder"])
def test_settings_that_decide_change_the_hash(name):
    changed = {"policy": {"threshold": 0.5}, "selection": {"nearly": 0.5}, "follow_ups": {"count": 2}}
    other = from_mapping(Config, {name: changed.get(name, {"runtime": "torch"})}, "test")
    assert settings_hash(other, RetrievalConfig()) != settings_hash(Config(), RetrievalConfig())


def test_of_retrieval_counts_what_the_snapshot_was_built_with():
    other = Config(retrieval=RetrievalConfig(top_k=3))
    assert settings_hash(other, RetrievalConfig()) != settings_hash(other, RetrievalConfig(top_k=3))
    assert settings_hash(other, RetrievalConfig()) == settings_hash(Config(), RetrievalConfig())
    rules = RuleSet(never=(Never(name="trade", topics=("trade",)),))
    assert settings_hash(other, RetrievalConfig(), rules) != settings_hash(other, RetrievalConfig(), RuleSet())


def test_settings_that_change_no_answer_leave_the_hash():
    other = {"branding": {"name": "x"}, "web": {"port": 1}, "storage": {"database": "sqlite://"}, "probe": {"ridge": 1}}
    assert settings_hash(from_mapping(Config, other, "test"), RetrievalConfig()) == settings_hash(
        Config(), RetrievalConfig()
    )
