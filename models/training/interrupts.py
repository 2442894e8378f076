"""Ctrl-C in the middle of a step, noted until the step is done."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of raising, so that a step is never left half-done; a second one stops at once."""
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            signal.default_int_handler(number, frame)
        asked = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:
        # Not the main thread: whoever runs us there stops us in another way.
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
