"""Logged turns answered again: the same message, with what the bot was told besides, under the same snapshot.

`ChatBot.answer` is pure, and a question is always encoded alone, so that the reply must be the same to the last bit;
what differs is named field by field. Under another checkpoint, a replay shows what that one would have answered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from bot.chatbot import ChatBot
from kb.codec import context_of, reply_from_json, reply_to_json
from kb.errors import FrontdeskError, IndexMissingError, InputError, describe
from kb.log import ConversationLog
from kb.manifest import Manifest, kept_manifests
from kb.types import Reply, Snapshot, Turn

Status = Literal["identical", "different", "failed"]
Opener = Callable[[str], ChatBot]
"""Gives the bot of a snapshot, or of a checkpoint, by its id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A value of the reply's JSON that is not the same; `field` is its path, None stands for what isn't there."""

    field: str
    logged: Any
    replayed: Any


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A logged turn, and what became of it; `problem` says why there is no other reply."""

    turn: Turn
    logged: Reply
    replayed: Reply | None = None
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def status(self) -> Status:
        """Whether it came out the same."""
        if self.replayed is None:
            return "failed"
        return "different" if self.differences else "identical"

    @property
    def same_settings(self) -> bool:
        """Whether the bot was configured as it is now; True where nothing was answered or recorded of that."""
        before = self.logged.snapshot.settings
        return self.replayed is None or not before or before == self.replayed.snapshot.settings


class Replayer:
    """Replays turns of one log; keeps the bots that it opened."""

    def __init__(self, log: ConversationLog, folder: Path, *, load: Opener, build: Opener) -> None:
        """Take the parts; `bot.build.open_replayer` puts them together.

        Args:
            log: where the turns are.
            folder: of the snapshots.
            load: opens a kept snapshot.
            build: makes a bot of the present knowledge base under a checkpoint.
        """
        self._log = log
        self._folder = folder
        self._load = load
        self._build = build
        self._opened: dict[tuple[Opener, str], ChatBot] = {}

    def replay(self, turn: Turn, checkpoint: str | None = None) -> Replay:
        """Answer a turn again, under the snapshot that answered it, or under another checkpoint.

        Raises:
            InputError: what is logged of the turn is no reply.
        """
        try:
            logged = reply_from_json(turn.reply)
        except (KeyError, TypeError) as error:
            raise InputError(
                describe(expected="a reply in the log", got=repr(error), remedy="replay another turn")
            ) from error
        try:
            replayed = self._answer(turn, logged, checkpoint)
        except FrontdeskError as error:
            return Replay(turn=turn, logged=logged, problem=str(error))
        found = tuple(_differences(_compared(logged), _compared(replayed)))
        return Replay(turn=turn, logged=logged, replayed=replayed, differences=found)

    def _answer(self, turn: Turn, logged: Reply, checkpoint: str | None) -> Reply:
        told = logged.explanation.told
        if told is None:
            raise InputError(
                describe(
                    expected="a turn with what the bot was told besides the question",
                    got="one of an older version, which did not log it",
                    remedy="replay newer turns",
                )
            )
        history = self._log.turns_at(turn.conversation_id, told.history, turn.created_at)
        bot = self._bot_of(logged.snapshot) if checkpoint is None else self._bot_under(checkpoint, logged.snapshot)
        return bot.answer(turn.question, context_of(told, turn, history))

    def _bot_of(self, snapshot: Snapshot) -> ChatBot:
        """Return the bot of the snapshot itself; IndexMissingError where it is no longer kept."""
        kept = kept_manifests(self._folder)
        if snapshot.index not in {manifest.snapshot_id for manifest in kept}:
            raise IndexMissingError(
                describe(
                    expected=f"snapshot {snapshot.index}, which answered the turn",
                    got=f"only {', '.join(map(_named, kept)) or 'none'}: older ones are removed",
                    remedy=f"see what it is now with --checkpoint {snapshot.checkpoint}",
                )
            )
        return self._open(self._load, snapshot.index)

    def _bot_under(self, checkpoint: str, snapshot: Snapshot) -> ChatBot:
        """Return a bot under a checkpoint: of a kept snapshot, at best of the same knowledge, or made in memory."""
        kept = [manifest for manifest in kept_manifests(self._folder) if manifest.checkpoint == checkpoint]
        if not kept:
            return self._open(self._build, checkpoint)
        same = [each for each in kept if str(each.knowledge_version) == snapshot.knowledge_version]
        itself = [each for each in same if each.snapshot_id == snapshot.index]
        return self._open(self._load, (itself + same + kept)[0].snapshot_id)

    def _open(self, opener: Opener, name: str) -> ChatBot:
        key = (opener, name)
        if key not in self._opened:
            self._opened[key] = opener(name)
        return self._opened[key]


def _named(manifest: Manifest) -> str:
    return f"{manifest.snapshot_id} (checkpoint {manifest.checkpoint}, version {manifest.knowledge_version})"


def _compared(reply: Reply) -> dict[str, Any]:
    """Return what must be the same: all but the snapshot, which was chosen, and what the bot was told."""
    document = reply_to_json(reply)
    del document["snapshot"]
    del document["explanation"]["told"]
    return document


def _differences(logged: Any, replayed: Any, field: str = "") -> Iterator[Difference]:
    """Yield the values that differ, each with its path, such as responses.0.relevance."""
    if isinstance(logged, Mapping) and isinstance(replayed, Mapping):
        names = dict.fromkeys((*logged, *replayed))
        inner = [(str(name), logged.get(name), replayed.get(name)) for name in names]
    elif isinstance(logged, list) and isinstance(replayed, list):
        inner = [(str(at), *both) for at, both in enumerate(zip_longest(logged, replayed))]
    else:
        if logged != replayed:
            yield Difference(field=field, logged=logged, replayed=replayed)
        return
    for name, before, after in inner:
        yield from _differences(before, after, f"{field}.{name}" if field else name)
