"""Several questions in one message: where it may be split, and whether its parts are answered better than the whole.

Where to split is a matter of text alone: sentences, and 'and' before a question word. A part stands on its own when it
asks something and refers to nothing before it; what doesn't belongs to the part before or after. English words; other
languages are split by their question marks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.messages import Messages
from bot.person import wish_for_person
from bot.policy import Decision
from kb.types import Match

_SENTENCE = re.compile(r"(?<=[?？؟!])\s*(?=\w|¿)|(?<=[.;:…])\s+|\n+")
_SUBJECT = (
    r"(?:i|you|we|they|he|she|it|there|this|that|these|those|my|your|our|the|an?|any|all|some(?:one|body)?|anyone)"
)
# A verb alone begins statements too: 'do not want it now', 'was a present'.
_VERB = (
    rf"(?:(?:do|did|is|are|am|was|were|have|has|isn't|aren't|don't|doesn't|can't|won't) {_SUBJECT}|"
    r"(?:does|can|could|will|would|should|may|might)(?! not))"
)
_HOW = r"(?:what(?:'s)?|how(?:'s)?|why)"
# After a comma these begin what is said of the word before it: 'in Wales, where it rains'.
_WHICH = r"(?:where(?:'s)?|when(?:'s)?|who(?:'s)?|whom|whose|which)"
_LINK = r"(?:and|also|plus|then|secondly|thirdly|finally|lastly|another thing|one more thing|oh)"
_JOINED = re.compile(
    rf"\s*[,;]?\s*\b{_LINK}\b(?:[\s,]*{_LINK}\b)*,?\s+(?=(?:{_VERB}|{_HOW}|{_WHICH})\b)|"
    rf"\s*(?:[,;&+]|\s[-–—])\s*(?=(?:{_VERB}|{_HOW})\b)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:and|also|plus|but|so|then|or|oh|ok|okay|hi|hello|hey|please|secondly|thirdly|finally|lastly|another thing|"
    r"one more thing|by the way|btw)\b[\s,:-]*)+",
    re.IGNORECASE,
)
_QUESTION = re.compile(rf"^(?:{_VERB}|{_HOW}|{_WHICH})\b", re.IGNORECASE)
_UNFINISHED = re.compile(rf"\b(?:{_HOW}|{_WHICH})$", re.IGNORECASE)
_MARK = re.compile(r"[?？؟]\s*$")
# What these stand for was said before.
_BACK = re.compile(
    r"\b(?:it|its|it's|they|them|their|theirs|this|that|that's|these|those|one|ones|he|she|him|her|"
    r"(?<!is )(?<!are )there|then|so|too|either|"
    r"both|same|instead|otherwise|else|if not|if so|other|another)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_FEWEST_WORDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One question of a message: its text, its matches best first, and whether they answer it."""

    text: str
    matches: tuple[Match, ...]
    is_answered: bool


def split(message: str) -> tuple[str, ...]:
    """Return the parts of a message that may be questions of their own, none where there are fewer than two."""
    parts: list[str] = []
    before = ""
    for piece in _pieces(message):
        text = f"{before} {piece}".strip()
        if not _asks(piece):
            # A statement: of what was asked before, or the introduction to what comes.
            before = text
        elif parts and not _stands_alone(piece):
            parts[-1] = f"{parts[-1]} {text}"
            before = ""
        else:
            parts.append(_LEAD.sub("", text) or text)
            before = ""
    if before and parts:
        parts[-1] = f"{parts[-1]} {before}"
    return tuple(parts) if len(parts) > 1 else ()


def answered_parts(parts: Sequence[Part], whole: Sequence[Match], *, are_all: bool = True) -> tuple[Part, ...]:
    """Return the parts that are answered, none where the message is one question.

    It is several where its parts are about different pairs, one of them the best pair of the whole, and each that is
    answered is so no less surely than the whole: one question reads worse when it is cut. Where one part alone is
    answered, it must be the one with the best pair of the whole, and more surely.

    Args:
        parts: of the message, in order.
        whole: the matches of the whole message, best first.
        are_all: whether there are no further parts, which the best pair of the whole might belong to.
    """
    pairs = [part.matches[0].pair.pair_id for part in parts if part.matches]
    answered = [part for part in parts if part.is_answered]
    best, relevance = whole[0].pair.pair_id, whole[0].relevance
    has_best = best in [part.matches[0].pair.pair_id for part in answered] or not are_all
    is_about_several = len(set(pairs)) == len(parts) and has_best and bool(answered)
    least = min((part.matches[0].relevance for part in answered), default=0.0)
    is_surer = least >= relevance if len(answered) > 1 else least > relevance
    return tuple(answered) if is_about_several and is_surer else ()


def together(
    decision: Decision, parts: Sequence[Part], whole: Sequence[Match], left: Sequence[str], messages: Messages
) -> Decision:
    """Return the decision that answers all parts; the given one where the message is one question.

    Args:
        decision: on the whole message.
        parts: of the message, in order.
        whole: the matches of the whole message, best first.
        left: parts that were not looked at.
        messages: the sentences that name what is not answered.
    """
    answered = answered_parts(parts, whole, are_all=not left)
    if not answered:
        return decision
    # Whoever asks for a person beside gets one offered.
    missing = [part.text for part in parts if part not in answered and wish_for_person(part.text) == "none"]
    said = (_naming(messages.unanswered, missing), _naming(messages.left, left))
    return replace(
        decision,
        outcome="answered",
        confidence=answered[0].matches[0].relevance,
        message=" ".join(filter(None, said)),
        reason=f"The message asks {len(parts) + len(left)} things, and {len(answered)} of them can be answered.",
        shown=tuple(part.matches[0] for part in answered),
        parts=tuple(part.text for part in answered),
    )


def _naming(message: str, parts: Sequence[str]) -> str:
    return message.replace("{parts}", "; ".join(f"“{text}”" for text in parts)) if parts else ""


def _pieces(message: str) -> list[str]:
    sentences = [each.strip() for each in _SENTENCE.split(message)]
    return [piece.strip() for sentence in sentences for piece in _JOINED.split(sentence) if piece.strip(" ,;-–—&+")]


def _asks(piece: str) -> bool:
    return bool(_MARK.search(piece) or _QUESTION.match(_LEAD.sub("", piece))) and not _UNFINISHED.search(piece)


def _stands_alone(piece: str) -> bool:
    bare = _LEAD.sub("", piece)
    return len(_WORD.findall(bare)) >= _FEWEST_WORDS and not _BACK.search(bare)
