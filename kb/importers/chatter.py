"""What in a conversation is a question, what is a substantive reply, and what is neither.

Word lists are English, German, French and Spanish; for other languages the marks (? ？ ؟) and the lengths decide.
"""

import re
from collections.abc import Callable

from kb.importers import phrases

MAX_QUESTION_CHARACTERS = 400
# A longer turn is a pasted document; nothing in it is asked as others would ask it.
_LONGEST_TURN = 4_000
_MIN_QUESTION_WORDS = 3
_MIN_REPLY_CHARACTERS = 25
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_MARKS = ("?", "？", "؟")
# A sentence with the space after it, so that the parts joined again are the text.
_SENTENCE = re.compile(r"[^\n]*?(?:[.!?](?=\s|$)|[。！？؟]|\n|$)\s*")
_CORE_STEPS: tuple[Callable[[str], str], ...] = (
    lambda text: phrases.GREETING.sub("", text, count=1),
    lambda text: phrases.LEAD_IN.sub("", text, count=1),
    lambda text: phrases.THANKS_AT_END.sub("", text, count=1),
)


def is_chatter(text: str) -> bool:
    """Whether a turn only greets, thanks, agrees or waits."""
    words = [word.casefold() for word in _WORD.findall(text)]
    return all(word in phrases.CHATTER_WORDS for word in words) or phrases.SMALL_TALK.match(text.strip()) is not None


def asks_back(text: str) -> bool:
    """Whether an agent's turn ends in a question or a request for details, so that the next turn answers it."""
    sentences = [sentence for sentence in _sentences(text) if not phrases.INVITES.search(sentence)]
    return bool(sentences) and (_is_marked(sentences[-1]) or any(map(phrases.REQUESTS_DETAILS.search, sentences)))


def question_in(text: str, *, after_question_back: bool = False) -> str:
    """Return what a customer's turn asks, without greeting and thanks; empty if it asks nothing.

    Args:
        text: The turn, masked.
        after_question_back: Whether the agent's turn before it asked something: then only an open question counts.
    """
    core = _core(text) if len(text) <= _LONGEST_TURN else ""
    if not core or is_chatter(core):
        return ""
    if len(core) > MAX_QUESTION_CHARACTERS:
        marked = [sentence.strip() for sentence in _sentences(core) if _is_marked(sentence)]
        core = next((sentence for sentence in marked if _long_enough(sentence)), "")
    if not core or len(core) > MAX_QUESTION_CHARACTERS or not _long_enough(core):
        return ""
    marked_or_open = _is_marked(core) or any(map(_is_marked, _sentences(core))) or phrases.ASKS.match(core) is not None
    if marked_or_open:
        return core
    if after_question_back or phrases.CLOSING.search(core):
        return ""
    cues = (phrases.ASKS, phrases.NEEDS, phrases.ERRAND)
    return core if any(cue.search(core) for cue in cues) else ""


def substantive(text: str) -> str:
    """Return what an agent's turn says that answers: without greeting, waiting and closing words; empty if nothing.

    What is kept is kept as written, from the first sentence that says something to the last.
    """
    sentences = _sentences(phrases.VOCATIVE.sub("", phrases.GREETING.sub("", text, count=1)))
    telling = [not _is_empty(sentence) for sentence in sentences]
    if not any(telling):
        return ""
    first, last = telling.index(True), len(telling) - telling[::-1].index(True)
    kept = "".join(sentences[first:last]).strip()
    return kept if _length(kept) >= _MIN_REPLY_CHARACTERS else ""


def is_dependent(question: str) -> bool:
    """Whether a question means something only after what was said before it."""
    return phrases.DEPENDENT.search(question) is not None


def is_about_one_case(text: str) -> bool:
    """Whether a reply tells what was done or found for one customer, which answers nobody else."""
    return phrases.ABOUT_ONE_CASE.search(text) is not None


def _is_empty(sentence: str) -> bool:
    plain = sentence.strip()
    asks = _is_marked(plain) or phrases.REQUESTS_DETAILS.search(plain) is not None
    return asks or phrases.FILLER.match(plain) is not None or not _WORD.search(plain)


def _core(text: str) -> str:
    """Strip greeting, lead-in and thanks until nothing more goes."""
    core, before = " ".join(text.split()), ""
    while core != before:
        before = core
        for step in _CORE_STEPS:
            core = step(core)
    return core.strip(" ,;:-–")


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.findall(text) if sentence]


def _is_marked(sentence: str) -> bool:
    return sentence.rstrip(" \n\"')”»").endswith(_MARKS)


def _length(text: str) -> int:
    """Characters, an ideograph counting as four."""
    return len(text) + 3 * len(_IDEOGRAPH.findall(text))


def _long_enough(core: str) -> bool:
    ideographs = len(_IDEOGRAPH.findall(core))
    if ideographs:
        return ideographs >= 4
    words = sum(any(map(str.isalpha, word)) for word in _WORD.findall(core))
    return words >= (_MIN_QUESTION_WORDS - 1 if _is_marked(core) else _MIN_QUESTION_WORDS)
