"""What people say around a question: openings end, and closings begin, where the question stands."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from models.training.slips import is_protected, pick

OPENINGS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "hi, ",
        "hello, ",
        "hey ",
        "hi there, ",
        "good morning, ",
        "dear team, ",
        "please ",
        "pls ",
        "could you tell me ",
        "can you tell me ",
        "can someone tell me ",
        "i would like to know ",
        "i'd like to ask: ",
        "quick question: ",
        "sorry to bother you, ",
        "just wondering, ",
        "excuse me, ",
        "question: ",
        "seriously, ",
        "for the last time: ",
        "this is ridiculous. ",
        "i am fed up. ",
        "i asked already! ",
        "ok so ",
        "um, ",
    ),
    "zh": ("你好，", "您好，", "请问", "麻烦问一下，", "想问下", "亲，", "那个，", "急！", "到底", "我就想知道"),
}
CLOSINGS: Mapping[str, tuple[str, ...]] = {
    "en": (
        " please",
        " pls",
        " thanks",
        ", thank you",
        " thx",
        ", many thanks in advance",
        " asap",
        " urgent!",
        ", i can't find it anywhere",
        ", any help is welcome",
        " right now",
        " ???",
        "!!!",
        ", it's getting annoying",
        " or what?",
    ),
    "zh": ("，谢谢", "，谢谢啦", "，急", "，在线等", "？？？", "！！", "，麻烦了", "，怎么回事"),
}


class Templates:
    """Openings and closings of one language; none of them has a digit or an address."""

    def __init__(self, openings: Sequence[str], closings: Sequence[str]) -> None:
        self._openings, self._closings = openings, closings
        self._opened = _alternatives(openings, r"\A(?:{})+")
        self._closed = _alternatives(closings, r"(?:{})+\Z")

    def swapped(self, text: str, rng: np.random.Generator) -> str:
        """Return the text with another opening, with another closing, or with neither; never without its question."""
        core = self._stripped(text)
        which = pick(3, rng)
        # A link would become another one with a mark at its end.
        if which == 0 and self._openings:
            joint = " " if is_protected(core.split()[0]) else ""
            core = self._openings[pick(len(self._openings), rng)] + joint + core
        elif which == 1 and self._closings:
            joint = " " if is_protected(core.split()[-1]) else ""
            core = core + joint + self._closings[pick(len(self._closings), rng)]
        return core

    def _stripped(self, text: str) -> str:
        core = text if is_protected(text.split()[-1]) else self._closed.sub("", text)
        core = self._opened.sub("", core).strip()
        return core or text


def _alternatives(phrases: Sequence[str], pattern: str) -> re.Pattern[str]:
    if not phrases:
        return re.compile("(?!)")
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(pattern.format("|".join(map(re.escape, longest_first))), re.IGNORECASE)
