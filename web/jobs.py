"""Work that takes long, such as building an index: one at a time, in a process of its own, watched from the console.

A process that dies takes nothing with it: an index or a checkpoint is published whole or not at all.
"""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.errors import ConflictError, describe

_KEPT_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class JobState:
    """How a job goes: `exit_code` is None while it runs, `lines` the last ones that it said."""

    name: str
    exit_code: int | None
    lines: tuple[str, ...]


class Jobs:
    """Runs commands of `frontdesk` over one data folder, one at a time; safe to share between threads."""

    def __init__(self, var: Path, config: Path | None = None) -> None:
        """Take the data folder and, where it is not the folder's own, the configuration file."""
        self._options = ["--var", str(var), *(["--config", str(config)] if config else [])]
        self._lock = threading.Lock()
        self._name = ""
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start `frontdesk arguments ...`.

        Raises:
            ConflictError: another job is running.
        """
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise ConflictError(
                    describe(expected="one job at a time", got=f"{self._name}, which is running", remedy="wait for it")
                )
            self._name, self._lines = name, deque(maxlen=_KEPT_LINES)
            command = [sys.executable, "-m", "web.cli", *arguments, *self._options]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            threading.Thread(target=_read, args=(self._process, self._lines), name=name, daemon=True).start()

    def state(self) -> JobState | None:
        """Return how the newest job goes; None where there was none."""
        process = self._process
        if process is None:
            return None
        return JobState(name=self._name, exit_code=process.poll(), lines=tuple(self._lines))

    def stop(self) -> None:
        """End a job that is running."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=10)


def _read(process: subprocess.Popen[str], lines: deque[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
    process.wait()
