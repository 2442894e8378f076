"""Text made safe to store and to compare: cleaning, the form in which duplicates are equal, and hashes.

Every function takes any `str`, lone surrogates and NUL included, in time linear in its length.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# Invisible characters that carry meaning: the joiners of Persian and of emoji, and the marks of text direction.
_KEPT_FORMATS = frozenset("\u200c\u200d\u200e\u200f\u061c")
_LINE_BREAKS = frozenset("\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")
# Punctuation that tells two texts apart: 5 % is not 5, C# is not C, a@b is not a b.
_MEANT = frozenset("%‰#&@")
_APOSTROPHES = frozenset("'’ʼ＇")
# No writing system stacks more; canonical reordering takes time quadratic in the length of a run.
_MARKS_IN_A_ROW = 8
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HARD_BREAK = "  "


class _Cleaning(dict[int, str]):
    """For `str.translate`: line breaks become newlines, other white space a space, what can't be shown nothing."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _LINE_BREAKS:
            kept = "\n"
        elif character == "\t" or category == "Zs":
            kept = "\t" if character == "\t" else " "
        elif category in ("Cc", "Cs") or (category == "Cf" and character not in _KEPT_FORMATS):
            kept = ""
        else:
            kept = character
        self[code] = kept
        return kept


class _Folding(dict[int, str]):
    """For `str.translate`: punctuation becomes a space, but what is meant by it stays."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _APOSTROPHES:
            kept = "'"
        elif character in _KEPT_FORMATS:
            kept = ""
        elif category[0] in "PZC" and character not in _MEANT:
            kept = " "
        else:
            kept = character
        self[code] = kept
        return kept


_CLEANING = _Cleaning()
_FOLDING = _Folding()
# An apostrophe stays inside a word only; a number sign after one only, where it isn't a Markdown heading.
_STRAY = re.compile(r"(?<!\w)['#]+|'+(?!\w)")


def clean_line(text: str) -> str:
    """Return the text on one line: NFC, without control characters, NUL and lone surrogates, white space collapsed."""
    return " ".join(_cleaned(text).split())


def clean_markdown(text: str) -> str:
    """Return Markdown cleaned like `clean_line`, line by line.

    Line breaks, indentation, the two spaces of a hard break and fenced code stay; blank lines are folded into one.
    """
    lines: list[str] = []
    fence = ""
    for line in _cleaned(text.replace("\r\n", "\n")).split("\n"):
        opening = _FENCE.match(line)
        if fence or opening:
            lines.append(line.rstrip())
            if opening and fence in ("", opening[1]):
                fence = "" if fence else opening[1]
        elif line.strip():
            lines.append(_markdown_line(line))
        elif lines and lines[-1]:
            lines.append("")
    return "\n".join(lines).strip()


def storable(text: str) -> str:
    """Return the text without what no database column takes: NUL and lone surrogates. Everything else stays."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def normalised(text: str) -> str:
    """Return the form in which duplicates are equal: compatibility characters, case, punctuation, white space folded.

    A text of nothing but punctuation keeps it, so that two of them are not taken for the same.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean_line(text)).casefold())
    words = folded.translate(_FOLDING)
    if "'" in words or "#" in words:
        words = _STRAY.sub(" ", words)
    words = " ".join(words.split())
    return words or " ".join(folded.split())


def text_hash(text: str) -> str:
    """Return SHA-256 of the text as it is, in 64 hexadecimal digits; hash `normalised(text)` to find duplicates."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_hash(question: str, answer: str, topic: str = "", locale: str = "", phrasings: Iterable[str] = ()) -> str:
    """Return SHA-256 of what a pair says, in 64 hexadecimal digits; the order of the phrasings makes no difference."""
    return text_hash(json.dumps([question, answer, topic, locale, sorted(phrasings)]))


def _cleaned(text: str) -> str:
    translated = text.translate(_CLEANING)
    if translated.isascii():
        return translated
    # Twice, since a mark may decompose into several: cleaning what is clean changes nothing.
    composed = unicodedata.normalize("NFC", _few_marks(translated))
    return _few_marks(composed)


def _markdown_line(line: str) -> str:
    body = line.lstrip()
    indent = line[: len(line) - len(body)].expandtabs(4)
    hard_break = _HARD_BREAK if line.endswith(_HARD_BREAK) else ""
    return indent + " ".join(body.split()) + hard_break


def _few_marks(text: str) -> str:
    return _mark_runs().sub(r"\1", text)


@lru_cache(maxsize=1)
def _mark_runs() -> re.Pattern[str]:
    """Return the pattern of combining marks beyond those kept; group 1 are those kept."""
    codes = [code for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code))]
    marks = "".join(map(re.escape, map(chr, codes)))
    return re.compile(f"([{marks}]{{{_MARKS_IN_A_ROW}}})[{marks}]+")
