"""The bot in service: takes up a new snapshot while it answers, and keeps the old one where the new one is not fit."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from bot.attribution import Attribution
from bot.chatbot import ChatBot
from bot.completion import Completer
from kb.errors import FrontdeskError, IndexMissingError
from kb.manifest import current_id
from kb.types import Context, Reply, Snapshot

_log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How often a server looks for a new snapshot."""

Loader = Callable[[str], ChatBot]


class LiveBot:
    """A ChatBot that follows the folder of snapshots; safe to share between threads.

    A call in progress ends on the snapshot on which it began: the swap replaces one reference.
    """

    def __init__(self, folder: Path, load: Loader, *, poll_s: float = POLL_S) -> None:
        """Take the folder of snapshots, and what makes a bot of one of them.

        Raises:
            VectorIndexError: there is no snapshot, or it is not fit: there is no old one to go on with.
        """
        self._folder = folder
        self._load = load
        self._poll_s = poll_s
        name = current_id(folder)
        self._serving = _Serving(name, load(name))
        self._refused = ""
        self._problem: str | None = None
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="snapshot-watcher", daemon=True)
        self._watcher.start()

    @property
    def bot(self) -> ChatBot:
        """The bot of the snapshot in service."""
        return self._serving.bot

    def answer(self, question: str, context: Context | None = None) -> Reply:
        """Return the reply of the snapshot in service; see `ChatBot.answer`."""
        return self._serving.bot.answer(question, context)

    def complete(self, prefix: str, limit: int = 5) -> Sequence[str]:
        """Return questions of the snapshot in service for what a customer has typed so far."""
        return self._serving.completer.complete(prefix, limit)

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        """Return what each word of a question did for a pair, by the snapshot in service; see `ChatBot.attribute`."""
        return self._serving.bot.attribute(understood, pair_id)

    def snapshot(self) -> Snapshot:
        """Return what answers come from now."""
        return self._serving.bot.snapshot

    def ready(self) -> str | None:
        """Return None where the bot answers from the published snapshot, else the reason why not.

        While a new snapshot is refused the old one answers, and that is ready: `problem` tells of it.
        """
        try:
            current_id(self._folder)
        except IndexMissingError as error:
            return str(error)
        return None

    def problem(self) -> str | None:
        """Return why the newest snapshot was refused, or None."""
        return self._problem

    def refresh(self) -> bool:
        """Take up the current snapshot if it is another one; return whether that was done. The watcher calls this."""
        try:
            name = current_id(self._folder)
        except FrontdeskError as error:
            self._refuse("", error)
            return False
        if name == self._serving.name:
            # What was refused is no longer the current one.
            self._refused, self._problem = "", None
            return False
        if name == self._refused:
            return False
        try:
            serving = _Serving(name, self._load(name))
        except FrontdeskError as error:
            self._refuse(name, error)
            return False
        self._serving, self._refused, self._problem = serving, "", None
        _log.info("snapshot in service", snapshot=name)
        return True

    def close(self) -> None:
        """Stop following the folder."""
        self._stop.set()
        self._watcher.join()

    def _refuse(self, name: str, error: FrontdeskError) -> None:
        if str(error) != self._problem:
            _log.error("snapshot refused", snapshot=name, problem=str(error), serving=self._serving.name)
        self._refused, self._problem = name, str(error)

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.refresh()
            # Whatever goes wrong with a new snapshot, the old one goes on, and the next one is looked at.
            except Exception:
                _log.exception("snapshot could not be loaded", serving=self._serving.name)


class _Serving:
    """One snapshot in service, replaced as a whole."""

    def __init__(self, name: str, bot: ChatBot) -> None:
        self.name = name
        self.bot = bot
        self.completer = Completer(bot.pairs)
