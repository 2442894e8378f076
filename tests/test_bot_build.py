import shutil
from dataclasses import replace

import pytest
from cli_runner import FAQ, configured, frontdesk
from tiny_model import save_tiny_model

from bot.build import DATABASE, build_bot, open_database, open_frontdesk, open_models, require_fresh
from bot.cli.common import config_of
from bot.indexing import INDEX
from kb.errors import IndexMissingError, IndexStaleError, ModelError, StorageError
from kb.manifest import current_id
from kb.store import KnowledgeStore
from kb.types import ZERO_SHOT

QUESTION = "Where is my order?"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def shop(model, tmp_path):
    """A data folder with three pairs and their index, and its configuration."""
    var = configured(tmp_path / "var", model)
    faq = tmp_path / "faq.csv"
    faq.write_text(FAQ)
    assert frontdesk("import", faq, "--var", var).code == 0
    return var, config_of(var, None)


def test_what_is_opened_answers_from_the_published_snapshot_and_can_be_closed(shop):
    var, config = shop
    opened = open_frontdesk(var, config)
    try:
        reply = opened.bot.answer(QUESTION)
        assert reply.responses[0].question == QUESTION
        assert reply.snapshot.index == current_id(var / INDEX)
        assert reply.snapshot.knowledge_version == str(opened.store.version())
    finally:
        opened.close()


def test_a_bot_in_memory_goes_by_the_rules_of_the_data_folder_as_a_published_one_does(shop):
    var, config = shop
    (var / "rules.toml").write_text('[[never]]\nname = "no delivery"\ntopics = ["delivery"]\n')
    opened = open_frontdesk(var, config)
    try:
        built = build_bot(var, opened.store, open_models(var, config, ZERO_SHOT), config)
        published = opened.bot.answer(QUESTION)
    finally:
        opened.close()
    assert [pair.topic for pair in built.pairs] == ["returns"]
    assert built.answer(QUESTION).explanation.rules == published.explanation.rules == ("no delivery",)
    assert built.answer(QUESTION).snapshot.settings == published.snapshot.settings


def test_without_an_index_no_database_is_made(shop):
    var, config = shop
    shutil.rmtree(var / INDEX)
    (var / DATABASE).unlink()
    with pytest.raises(IndexMissingError):
        open_frontdesk(var, config)
    assert not (var / DATABASE).exists()


def test_an_index_of_another_state_of_the_knowledge_base_is_stale(shop):
    var, config = shop
    engine = open_database(var, config)
    store = KnowledgeStore(engine)
    require_fresh(var, store)
    store.retire([next(store.pairs()).pair_id])
    with pytest.raises(IndexStaleError, match=r"expected an index of version \d+ .* run `frontdesk index`"):
        require_fresh(var, store)
    engine.dispose()


def test_an_index_of_another_encoder_is_stale(shop, tmp_path):
    var, config = shop
    other = save_tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(IndexStaleError, match="expected an index of encoder other-"):
        open_frontdesk(var, replace(config, encoder=replace(config.encoder, model=str(other))))


def test_a_model_that_is_gone_is_an_error(shop, tmp_path):
    var, config = shop
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        open_frontdesk(var, replace(config, encoder=replace(config.encoder, model=str(tmp_path / "empty"))))


def test_a_database_that_is_not_one_is_an_error(shop):
    var, config = shop
    (var / DATABASE).write_bytes(b"words, and no database" * 200)
    with pytest.raises(StorageError):
        open_frontdesk(var, config)


def test_the_database_is_where_the_configuration_says(tmp_path, shop):
    var, config = shop
    elsewhere = tmp_path / "elsewhere.db"
    open_database(var, replace(config, storage=replace(config.storage, database=f"sqlite:///{elsewhere}"))).dispose()
    assert elsewhere.exists()
