"""Letters as they look: full-width forms, letters of other scripts inside Latin words, accents.

A customer who types them sees the word that is meant; an encoder and an index of words see another one.
"""

import re
import unicodedata

_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_LATIN = re.compile("[A-Za-z]")
# Latin letter → Cyrillic, Greek and Armenian ones that look like it (after Unicode's confusables).
_LOOKS_LIKE = {
    "a": "аα", "c": "сϲ", "d": "ԁ", "e": "е", "g": "ց", "h": "һհ", "i": "іι", "j": "ј", "k": "кκ", "l": "ӏ", "m": "м",
    "n": "ո", "o": "оοօ", "p": "рρ", "q": "ԛ", "s": "ѕ", "t": "тτ", "u": "սυ", "v": "νѵ", "w": "ԝ", "x": "хχ",
    "y": "уүγ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "J": "Ј", "K": "КΚ", "M": "МΜ",
    "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "УΥ", "Z": "Ζ",
}  # fmt: skip
_LATIN_OF = {ord(other): letter for letter, others in _LOOKS_LIKE.items() for other in others}
_NARROW = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
# What Unicode doesn't take apart.
_UNDIVIDED = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i", "æ": "ae", "Æ": "AE", "œ": "oe", "ß": "ss"}
)


def latin(text: str) -> str:
    """Return the text with full-width letters and digits narrow, and words that mix scripts in Latin letters.

    A word wholly in another script stays, and so does punctuation.
    """
    if text.isascii():
        return text
    return _WORD.sub(lambda found: _unmixed(found[0]), text.translate(_NARROW))


def unaccented(word: str) -> str:
    """Return a word of Latin letters without its accents; one of another script as it is."""
    if word.isascii():
        return word
    plain = word.translate(_UNDIVIDED)
    parts = unicodedata.normalize("NFD", plain)
    return "".join(part for part in parts if not unicodedata.combining(part)) if _LATIN.search(parts) else plain


def _unmixed(word: str) -> str:
    return word.translate(_LATIN_OF) if not word.isascii() and _LATIN.search(word) else word
