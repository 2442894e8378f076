"""A shop, three tiny models and two checkpoints: what tests of promotion begin with; a plugin of pytest."""

from functools import lru_cache, partial

import pytest
from fakes_bot import SHOP
from fakes_checkpoint import make_checkpoint
from tiny_model import save_tiny_model

from bot.build import CHECKPOINTS, load_bot, open_models
from bot.config import Config, EncoderConfig
from bot.indexing import INDEX, update_index
from bot.live import LiveBot
from bot.promotion import promote, rollback
from bot.serving import KEPT_MODELS
from kb.store import KnowledgeStore

NEVER = 3_600.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three models: the configured one, and two that stand for trained ones."""
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_model(folder / f"tiny-{seed}", "mean", seed) for seed in range(3)]


@pytest.fixture
def config(tiny):
    return Config(encoder=EncoderConfig(model=str(tiny[0]), runtime="torch"))


@pytest.fixture
def store(sqlite_engine):
    store = KnowledgeStore(sqlite_engine)
    store.upsert(SHOP)
    return store


@pytest.fixture
def checkpoints(tiny, tmp_path):
    """Ids of two checkpoints with different encoders."""
    return [make_checkpoint(tmp_path / CHECKPOINTS, model).checkpoint_id for model in tiny[1:]]


@pytest.fixture
def index(store, tmp_path, config):
    """Brings the index up to date."""

    def call(**given):
        return update_index(store, partial(open_models, tmp_path, config), tmp_path, config, **given)

    return call


@pytest.fixture
def to(index, checkpoints, store, tmp_path, config):
    """Promotes a checkpoint of an indexed shop by its id."""
    index()
    return partial(promote, tmp_path, store, config)


@pytest.fixture
def back(store, tmp_path, config):
    return partial(rollback, tmp_path, store, config)


@pytest.fixture
def live(tmp_path, config):
    """Makes a LiveBot as `open_frontdesk` does, and closes it at the end."""
    made = []

    def call(poll_s=NEVER):
        models_of = lru_cache(maxsize=KEPT_MODELS)(partial(open_models, tmp_path, config))
        load = partial(load_bot, tmp_path, models_of, config)
        made.append(LiveBot(tmp_path / INDEX, load, poll_s=poll_s))
        return made[-1]

    yield call
    for each in made:
        each.close()
