"""The composition root: the only place where objects are wired."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bot.chatbot import ChatBot
from bot.clarifying import NearTies
from bot.click_log import catalogue_of
from bot.config import Config, arm_b_of, settings_hash, without_exploration
from bot.context import ContextReader
from bot.follow_ups import FollowUps
from bot.indexing import INDEX, VECTORS, Assembled, assemble, off_topic_kept, probe_of, speller_of
from bot.live import LiveBot
from bot.policy import Policy, promised_threshold
from bot.replay import Replayer
from bot.rules import Rules, RuleSet
from bot.rules_file import RULES_NAME, load_rules
from bot.selection import Selection
from bot.serving import KEPT_MODELS, Models, ModelsOf
from kb.database import connect, migrate
from kb.errors import IndexDamagedError, IndexStaleError, StorageError, describe
from kb.log import ConversationLog
from kb.manifest import current_id, read_manifest
from kb.retriever import Retriever
from kb.snapshot import load_snapshot
from kb.spelling import Speller
from kb.store import KnowledgeStore
from kb.types import ZERO_SHOT, Snapshot, Transition
from kb.vectors import VectorCache
from models.calibrate import Calibration, from_json
from models.checkpoints import Checkpoint, open_checkpoint
from models.click_file import load_clicks
from models.clicks import ClickModel
from models.cross_encoder import load_cross_encoder
from models.encoder import SentenceEncoder, load_encoder
from models.matcher import CrossEncoder, EvidenceMatcher, Matcher
from models.probe import ProbeConfig

CHECKPOINTS, ENCODERS = "checkpoints", "encoders"
DATABASE = "frontdesk.db"
CLICKS = "clicks.json"
IN_MEMORY = Snapshot(checkpoint=ZERO_SHOT, index="memory", knowledge_version="0")


@dataclass(frozen=True, kw_only=True)
class Frontdesk:
    """The parts of a running frontdesk; `close` them at the end."""

    bot: LiveBot
    log: ConversationLog
    store: KnowledgeStore
    config: Config
    engine: Engine

    def close(self) -> None:
        """Stop following snapshots, and close the database."""
        self.bot.close()
        self.engine.dispose()


def open_database(var: Path, config: Config) -> Engine:
    """Return the engine of the configured database, with the newest schema.

    Raises:
        StorageError: the database can't be opened or brought to the newest schema.
    """
    engine = connect(config.storage.database or var / DATABASE)
    migrate(engine)
    return engine


def open_encoder(var: Path, config: Config) -> SentenceEncoder:
    """Return the configured encoder, which serves where nothing was trained.

    Raises:
        ModelError: the model is missing or refused.
    """
    return load_encoder(config.encoder.model, cache=var / ENCODERS, runtime=config.encoder.runtime)


def open_models(var: Path, config: Config, checkpoint_id: str) -> Models:
    """Return the models of a checkpoint, checked whole; for `zero-shot` the configured encoder.

    Raises:
        ModelError: the checkpoint is missing, damaged or refused.
    """
    if checkpoint_id == ZERO_SHOT:
        return Models(encoder=open_encoder(var, config))
    checkpoint = open_checkpoint(var / CHECKPOINTS, checkpoint_id)
    # A checkpoint without graphs gets its own outside: nothing is ever added to one.
    cache = checkpoint.runtime if checkpoint.runtime.is_dir() else var / ENCODERS
    encoder = load_encoder(str(checkpoint.encoder), cache=cache, runtime=config.encoder.runtime)
    return Models(
        encoder=encoder,
        checkpoint=checkpoint,
        cross_encoder=_open_matcher(checkpoint, cache, config),
        settings=checkpoint.matching,
        calibration=checkpoint.calibration,
    )


def _open_matcher(checkpoint: Checkpoint, cache: Path, config: Config) -> CrossEncoder | None:
    """Return the matcher of a checkpoint, where it has one and the evidence alone doesn't do as well."""
    if checkpoint.matcher is None or checkpoint.matching is None or not checkpoint.matching.weight:
        return None
    return load_cross_encoder(str(checkpoint.matcher), cache=cache, runtime=config.encoder.runtime)


def open_frontdesk(var: Path, config: Config, channels: Collection[str] = ()) -> Frontdesk:
    """Open the data folder for answering; hand-overs are told to the `channels`, by way of the outbox.

    Raises:
        StorageError: the database can't be opened.
        VectorIndexError: there is no index, or it is damaged, or of another state of the knowledge base.
        ModelError: the encoder is missing or refused.
        ConfigError: the file of business rules is broken, or names what the index doesn't have.
    """
    current_id(var / INDEX)
    engine = open_database(var, config)
    with ExitStack() as on_error:
        on_error.callback(engine.dispose)
        store = KnowledgeStore(engine)
        require_fresh(var, store)
        models_of = lru_cache(maxsize=KEPT_MODELS)(partial(open_models, var, config))
        bot = LiveBot(var / INDEX, lambda name: load_bot(var, models_of, config, name))
        on_error.pop_all()
    log = ConversationLog(engine, channels=tuple(channels))
    return Frontdesk(bot=bot, log=log, store=store, config=config, engine=engine)


def require_fresh(var: Path, store: KnowledgeStore) -> None:
    """Make sure that the current index is of the present state of the knowledge base.

    Raises:
        IndexStaleError: it is of another one.
    """
    manifest = read_manifest(var / INDEX, current_id(var / INDEX))
    try:
        same = store.corpus_hash() == manifest.corpus_hash
        version = store.version()
    except StorageError:
        # Answering needs no database; whether the index is fresh can't be known while it is away.
        return
    if not same:
        raise IndexStaleError(
            describe(
                expected=f"an index of version {version} of the knowledge base",
                got=f"one of version {manifest.knowledge_version}",
                remedy="run `frontdesk index`",
            )
        )


def load_bot(var: Path, models_of: ModelsOf, config: Config, snapshot_id: str) -> ChatBot:
    """Return the bot that answers from a published snapshot, with the models of its checkpoint.

    Raises:
        VectorIndexError: the snapshot is damaged or stale.
        ModelError: its checkpoint is missing, damaged or refused, or the click model is damaged.
        ConfigError: the file of business rules is broken, or names what the snapshot doesn't have.
    """
    models = models_of(read_manifest(var / INDEX, snapshot_id).checkpoint)
    loaded = load_snapshot(var / INDEX, models.encoder, snapshot_id)
    calibration, fitted_probe = fitted_of(loaded.calibration)
    return make_bot(
        retriever=loaded.retriever,
        transitions=loaded.transitions,
        matcher=EvidenceMatcher(
            calibration,
            probe_of(loaded.retriever, loaded.arrays, fitted_probe),
            _rows(loaded.retriever),
            fitted_probe.weight,
            cross_encoder=models.cross_encoder,
            settings=models.settings,
            off_topic=off_topic_kept(loaded.arrays),
        ),
        calibration=calibration,
        speller=speller_of(loaded.retriever),
        config=config,
        snapshot=Snapshot(
            checkpoint=loaded.manifest.checkpoint,
            index=snapshot_id,
            knowledge_version=str(loaded.manifest.knowledge_version),
        ),
        rules=Rules(rules_of(var, config), loaded.retriever.pairs),
        clicks=load_clicks(var / CLICKS, catalogue_of(loaded.retriever), loaded.retriever.encoder.encoder_id),
    )


def fitted_of(document: Mapping[str, Any]) -> tuple[Calibration, ProbeConfig]:
    """Return calibration and settings of the probe as a snapshot keeps them.

    Raises:
        IndexDamagedError: they are of another form.
    """
    try:
        # As it was fitted: a setting that was changed since counts from the next index on.
        return from_json(document["fitted"]), ProbeConfig(**document["settings"]["probe"])
    except (KeyError, TypeError, ValueError) as error:
        raise IndexDamagedError(
            describe(expected="a calibration in the snapshot", got=repr(error), remedy="run `frontdesk index`")
        ) from error


def rules_of(var: Path, config: Config) -> RuleSet:
    """Return the rules of the configured file, or of the data folder's; none where there is no such file.

    Raises:
        ConfigError: the configured file is missing, or a file can't be read or says nothing that can be followed.
    """
    path = var / (config.policy.rules or RULES_NAME)
    return load_rules(path) if config.policy.rules or path.exists() else RuleSet()


def bot_of(
    assembled: Assembled,
    config: Config,
    *,
    transitions: tuple[Transition, ...] = (),
    snapshot: Snapshot = IN_MEMORY,
    rules: RuleSet | None = None,
) -> ChatBot:
    """Return a bot that answers from what was put together in memory, for evaluation."""
    judges = assembled.judges
    return make_bot(
        retriever=assembled.retriever,
        transitions=transitions,
        matcher=EvidenceMatcher(
            assembled.calibration,
            judges.probe,
            _rows(assembled.retriever),
            judges.probe_weight,
            cross_encoder=judges.cross_encoder,
            settings=judges.settings,
            off_topic=judges.off_topic,
        ),
        calibration=assembled.calibration,
        speller=assembled.speller,
        config=config,
        snapshot=snapshot,
        rules=Rules(rules or RuleSet(), assembled.retriever.pairs),
    )


def build_bot(var: Path, store: KnowledgeStore, models: Models, config: Config) -> ChatBot:
    """Return a bot over the present knowledge base under these models; nothing is published.

    Raises:
        StorageError: the database can't be read.
        ConfigError: the file of business rules is broken, or names what the knowledge base doesn't have.
    """
    with store.view() as unit:
        pairs, transitions, version = list(unit.pairs()), tuple(unit.transitions()), unit.version()
    built = assemble(pairs, models, VectorCache(var / VECTORS, models.encoder), config)
    checkpoint = models.checkpoint.checkpoint_id if models.checkpoint else ZERO_SHOT
    snapshot = replace(IN_MEMORY, checkpoint=checkpoint, knowledge_version=str(version))
    return bot_of(built, config, transitions=transitions, snapshot=snapshot, rules=rules_of(var, config))


def open_replayer(var: Path, log: ConversationLog, store: KnowledgeStore, config: Config) -> Replayer:
    """Return what replays logged turns, under kept snapshots or the present knowledge base."""
    models_of = lru_cache(maxsize=KEPT_MODELS)(partial(open_models, var, config))
    return Replayer(
        log,
        var / INDEX,
        load=lambda snapshot_id: load_bot(var, models_of, config, snapshot_id),
        build=lambda checkpoint_id: build_bot(var, store, models_of(checkpoint_id), config),
    )


def make_bot(
    *,
    retriever: Retriever,
    transitions: tuple[Transition, ...],
    matcher: Matcher,
    calibration: Calibration,
    speller: Speller,
    config: Config,
    snapshot: Snapshot,
    rules: Rules | None = None,
    clicks: tuple[ClickModel, str] | None = None,
) -> ChatBot:
    """Wire the six steps of an answer; with an experiment, those of arm B too, which differ in two."""
    click_model, seal = clicks or (None, "")
    known = settings_hash(config, retriever.config, rules.rules if rules else None, seal)
    snapshot = replace(snapshot, settings=known)

    def wired(settings: Config, **more: Any) -> ChatBot:
        return ChatBot(
            retriever=retriever,
            matcher=matcher,
            policy=Policy(config.policy, calibration.threshold, promised_threshold(config.policy, calibration)),
            near_ties=NearTies(calibration.sharpness, settings.selection.duplicate_similarity, config.clarifying),
            follow_ups=FollowUps(retriever, transitions, settings.follow_ups, click_model),
            context=ContextReader(retriever, matcher, transitions, config.context),
            speller=speller,
            selection=Selection(settings.selection, calibration.sharpness),
            snapshot=snapshot,
            rules=rules,
            **more,
        )

    if not config.experiment.name:
        return wired(config)
    arms = config, arm_b_of(config)
    if config.experiment.mode == "interleave":
        # Of a list that is drafted from two the propensities are those of the draft, and of nothing else.
        arms = without_exploration(arms[0]), without_exploration(arms[1])
    return wired(arms[0], experiment=config.experiment, other=wired(arms[1]))


def _rows(retriever: Retriever) -> dict[str, int]:
    return {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
