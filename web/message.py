"""What a customer may type: cleaned, and refused where nothing is left or too much."""

import unicodedata

from kb.errors import MessageError, describe
from kb.text import clean_line

MAX_COMMENT = 500
MAX_CONTACT = 200
MAX_PREFIX = 200
"""Characters of a vote's comment, of a contact, and of what suggestions are made for; more is cut off."""
# Letters by their category, but drawn as nothing: fillers of Hangul, and the blank of Braille.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def checked_message(message: str, longest: int) -> str:
    """Return the message on one line, without control characters, NUL and lone surrogates.

    Args:
        message: as it came.
        longest: characters that a cleaned message may have.

    Raises:
        MessageError: nothing that can be seen is left, or too much.
    """
    question = clean_line(message)
    if not any(map(_is_visible, question)):
        raise MessageError(describe(expected="a question", got="an empty message", remedy="write a few words"))
    if len(question) > longest:
        raise MessageError(
            describe(
                expected=f"at most {longest} characters",
                got=f"{len(question)}",
                remedy="ask shorter, one question at a time",
            )
        )
    return question


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CMZ" and character not in _BLANK
