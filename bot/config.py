"""One TOML file → frozen stage configs. An unknown key or a value of the wrong type is an error that names it.

Every constant that a result depends on stands here, beside its unit, and is saved with the artifact it made.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from bot.clarifying import ClarifyingConfig
from bot.context import ContextConfig
from bot.experiment import ExperimentConfig
from bot.follow_ups import FollowUpConfig
from bot.policy import PolicyConfig
from bot.selection import SelectionConfig
from kb.errors import ConfigError, describe
from kb.retriever import RetrievalConfig
from kb.text import text_hash
from models.calibrate import CalibrationConfig
from models.clicks import ClickConfig
from models.probe import ProbeConfig
from models.training.config import Preset, TrainingConfig, preset

Section = TypeVar("Section")

SHARES = frozenset(
    {
        "threshold",
        "target_accuracy",
        "below",
        "covered",
        "sure",
        "part_confidence",
        "diversity",
        "share",
        "nearly",
        "duplicate_similarity",
        "transition_weight",
        "explore",
        "near_weight",
        "out_of_scope_share",
        "size_discount",
        "balance",
        "splice",
        "warm_up",
        "average",
        "validation_share",
        "near_share",
        "answer_share",
        "augment",
        "hidden",
        "verbatim",
        "least",
    }
)
"""Keys whose values lie in 0..1; no number is below 0."""
POSITIVE = frozenset(
    {
        "top_k",
        "most_parts",
        "dense_hits",
        "passage_words",
        "temperature",
        "choices",
        "responses",
        "max_message_length",
        "max_body_bytes",
        "header_timeout_s",
        "timeout_s",
        "first_retry_s",
        "longest_retry_s",
        "gamma",
        "ridge",
        "most_texts",
        "adapter_size",
        "prefix_length",
        "learning_rate",
        "save_every",
        "anchors",
        "groups",
        "candidates",
        "max_length",
    }
)
"""Keys whose values are above 0."""


_NOT_DECIDING = frozenset({"branding", "web", "storage", "probe", "calibration", "clicks", "training"})
"""Sections that change no answer of a snapshot that is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Branding:
    """What the chat page looks like and says first."""

    name: str = "Tarn & Thistle"
    tagline: str = "Questions about orders, delivery, returns and gear"
    greeting: str = "Hello! Ask me anything about your order, delivery, returns or our gear."
    colour: str = "#1f6f5c"
    """CSS hex colour of buttons and links; foregrounds are chosen for contrast."""
    logo: str = ""
    """Path of an SVG or PNG file; empty: the first letter of the name."""
    contact: str = "help@tarnandthistle.example"
    starters: tuple[str, ...] = (
        "Where is my order?",
        "How do I return something?",
        "How much is delivery?",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class WebConfig:
    """The server: address, limits."""

    host: str = "127.0.0.1"
    port: int = 7860
    max_message_length: int = 2000
    """Characters of one message after cleaning."""
    max_body_bytes: int = 262_144
    """A larger request body gets 413."""
    header_timeout_s: float = 10.0
    """A connection that has not sent its request head by then is closed."""
    requests_per_minute: int = 120
    """Per client address; 0 switches the limit off."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-For is believed; none by default."""
    allowed_origins: tuple[str, ...] = ()
    """Other origins whose pages may call the REST API."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageConfig:
    """Where the relational data lives."""

    database: str = ""
    """SQLAlchemy URL; empty: SQLite in the data folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOverConfig:
    """Where hand-overs are delivered, beside the database; any of them, or none."""

    csv: str = ""
    """A queue file that rows are appended to; from the data folder on."""
    email_dir: str = ""
    """A folder for one .eml file each; from the data folder on."""
    email_to: str = ""
    """Recipient of these; empty: the contact of the branding."""
    webhook: str = ""
    """An https address that JSON is posted to; http where private addresses are allowed."""
    secret: str = ""
    """Key of the webhook's signature; FRONTDESK_WEBHOOK_SECRET goes before it."""
    webhook_allow_private: bool = False
    """Whether the webhook may be on this machine or in a private network."""
    timeout_s: float = 10.0
    first_retry_s: float = 5.0
    """Wait after the first failure; it doubles with every further one."""
    longest_retry_s: float = 3600.0
    away_message: str = "I can't pass this on just now. Please try again in a moment, or reach us directly."
    """What the customer is told while a hand-over can't be recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The sentence model."""

    model: str = ""
    """A local folder or a name on the Hugging Face hub; empty: the MiniLM that is installed with frontdesk."""
    runtime: Literal["auto", "onnx", "torch"] = "auto"
    """`onnx`, `torch`, or `auto`: torch where there is a GPU, else ONNX Runtime."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Everything that can be set; see the sections."""

    branding: Branding = field(default_factory=Branding)
    web: WebConfig = field(default_factory=WebConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    hand_over: HandOverConfig = field(default_factory=HandOverConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    clarifying: ClarifyingConfig = field(default_factory=ClarifyingConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    follow_ups: FollowUpConfig = field(default_factory=FollowUpConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)
    clicks: ClickConfig = field(default_factory=ClickConfig)
    training: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the preset, by the fields of `models.training.config.TrainingConfig`."""


def training_of(config: Config, name: str) -> TrainingConfig:
    """Return a preset with what the configuration changes in it.

    Raises:
        ConfigError: there is no such preset, or a key or value is not of a training.
    """
    if name not in get_args(Preset):
        raise ConfigError(
            describe(expected=f"a preset out of {', '.join(get_args(Preset))}", got=name, remedy="name one of them")
        )
    return from_mapping(TrainingConfig, config.training, "training", preset(name))  # type: ignore[arg-type]


def without_exploration(config: Config) -> Config:
    """Return the configuration with suggestions as they are ranked: nothing is drawn."""
    return replace(config, follow_ups=replace(config.follow_ups, explore=0.0))


def arm_b_of(config: Config) -> Config:
    """Return the configuration of arm B: what the experiment changes in the rest.

    Raises:
        ConfigError: a key or value is not of its section.
    """
    changed = config.experiment
    return replace(
        config,
        follow_ups=from_mapping(FollowUpConfig, changed.follow_ups, "experiment: follow_ups", config.follow_ups),
        selection=from_mapping(SelectionConfig, changed.selection, "experiment: selection", config.selection),
    )


def load_config(path: Path | None = None) -> Config:
    """Return the configuration of a TOML file, or the defaults when `path` is None.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown key or a value of the wrong type.
    """
    if path is None:
        return Config()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            describe(expected="a TOML file", got=f"no file at {path}", remedy="name an existing file")
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            describe(expected="a TOML file", got=f"{path}: {error}", remedy="mend what it names")
        ) from error
    config = from_mapping(Config, document, str(path))
    # What is wrong with it is told now, and not when somebody trains.
    training_of(config, "balanced")
    arm_b_of(config)
    return config


def from_mapping(
    section: type[Section], document: Mapping[str, Any], where: str, base: Section | None = None
) -> Section:
    """Return `section` filled from `document`, checking every key and type; `where` names the place in messages.

    What the document doesn't name is as in `base`, or by default.
    """
    hints = get_type_hints(section)
    names = [item.name for item in fields(section)]  # type: ignore[arg-type]
    unknown = sorted(set(document) - set(names))
    if unknown:
        raise ConfigError(
            describe(
                expected=f"keys {', '.join(names)}", got=f"{where}: {', '.join(unknown)}", remedy="remove or rename"
            )
        )
    values = {
        key: _coerce(hints[key], value, f"{where}: {key}", getattr(base, key, None)) for key, value in document.items()
    }
    for key, value in values.items():
        _require_range(key, value, f"{where}: {key}")
    return section(**values) if base is None else replace(base, **values)  # type: ignore[type-var]


def _coerce(kind: Any, value: Any, where: str, base: Any = None) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(describe(expected="a table", got=f"{where} = {value!r}", remedy="write [section]"))
        return from_mapping(kind, value, where, base)
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, kind.__args__[0]) for item in value):
            raise ConfigError(
                describe(expected="a list of strings", got=f"{where} = {value!r}", remedy="mend the value")
            )
        return tuple(value)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigError(
                describe(expected=" or ".join(get_args(kind)), got=f"{where} = {value!r}", remedy="mend the value")
            )
        return value
    if type(value) is not kind:
        raise ConfigError(describe(expected=kind.__name__, got=f"{where} = {value!r}", remedy="mend the value"))
    return value


def _require_range(key: str, value: Any, where: str) -> None:
    if not isinstance(value, int | float):
        return
    expected = "a number above 0" if key in POSITIVE else "a number in 0..1" if key in SHARES else "a number from 0 on"
    is_low = value < 0 or (value == 0 and key in POSITIVE)
    if is_low or not math.isfinite(value) or (key in SHARES and value > 1):
        raise ConfigError(describe(expected=expected, got=f"{where} = {value!r}", remedy="mend the value"))


def settings_hash(config: Config, retrieval: RetrievalConfig, rules: object = None, clicks: str = "") -> str:
    """Return a hash, in 12 digits, of all that decides about an answer besides checkpoint, index and code.

    Retrieval counts as the snapshot was built with; what else is fitted when it is built is in the snapshot. Business
    rules, a dataclass, count by what they say, wherever their file is; a click model, where there is one, by its seal.
    """
    deciding = {name: value for name, value in to_mapping(config).items() if name not in _NOT_DECIDING}
    others = {"retrieval": asdict(retrieval), "rules": to_mapping(rules) if rules is not None else {}}
    if clicks:
        others["clicks"] = {"seal": clicks}
    return text_hash(json.dumps(deciding | others, sort_keys=True))[:12]


def to_mapping(config: object) -> dict[str, Any]:
    """Return a config as plain dicts, as it is saved beside an artifact."""
    return asdict(config)  # type: ignore[call-overload,no-any-return]
