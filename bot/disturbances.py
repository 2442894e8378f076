"""Questions as they reach a help desk from cold fingers, foreign keyboards and bad scans: edits of single characters.

A disturbance is a pure function of text, share, kinds and seed. Of a text's characters, round(share · length), at least
one, at random positions are hit by an edit each, whose kind is drawn for each; spaces, digits and marks are hit like
letters. Casing, which any uncased model folds, comes on top and is not counted.
"""

import string
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models.training.slips import NEIGHBOURS, change_case, pick, pieces_of

Edit = Callable[[list[str], int, np.random.Generator], None]
"""Changes what stands at a position, in place; an element may become empty or several characters."""

CASING = "casing"
_RECASED = 1 / 3
"""Share of the questions whose casing changes, where that is one kind among others."""
_ACCENTED: Mapping[str, str] = {
    "a": "áàâåãä", "c": "ç", "e": "éèêë", "i": "íìîï", "n": "ñ", "o": "óòôõöø", "s": "š", "u": "úùûü", "y": "ýÿ",
    "z": "ž",
}  # fmt: skip
_SPELT_OUT: Mapping[str, str] = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "œ": "oe"}
_HOMOGLYPHS: Mapping[str, str] = {
    "a": "а", "c": "с", "e": "е", "h": "һ", "i": "і", "j": "ј", "k": "к", "m": "м", "o": "оο", "p": "р", "s": "ѕ",
    "t": "т", "v": "ν", "x": "х", "y": "у",
}  # fmt: skip
_FULL_WIDTH = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}


def disturb(text: str, share: float, kinds: Sequence[str], rng: np.random.Generator) -> str:
    """Return the text with a share of its characters disturbed; never blank unless the text is.

    Args:
        text: of any language.
        share: of the characters, in 0..1, that are hit.
        kinds: names out of `KINDS`, or `CASING`; alone, that changes every question, and all of it.
        rng: what is drawn from; the same state gives the same text.
    """
    if not text.strip():
        return text
    edits = [edit for kind in kinds if kind != CASING for edit in KINDS[kind]]
    characters = list(text)
    if edits:
        for at in rng.permutation(len(text))[: max(1, round(share * len(text)))].tolist():
            edits[pick(len(edits), rng)](characters, at, rng)
    disturbed = "".join(characters)
    if CASING in kinds and (not edits or rng.random() < _RECASED):
        pieces = pieces_of(disturbed)
        change_case(pieces, rng)
        disturbed = "".join(pieces)
    return disturbed if disturbed.strip() else text


def substitute(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put another letter in its place."""
    others = [letter for letter in string.ascii_lowercase if letter != characters[at].lower()]
    characters[at] = others[pick(len(others), rng)]


def insert(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put a letter before it."""
    characters[at] = string.ascii_lowercase[pick(26, rng)] + characters[at]


def delete(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Leave it out."""
    characters[at] = ""


def swap(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Swap it with what follows; at the end, with what goes before."""
    one = min(at, len(characters) - 2)
    if one >= 0:
        characters[one], characters[one + 1] = characters[one + 1], characters[one]


def slip(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put a neighbouring key of a QWERTY keyboard in the place of a letter; anything else is swapped."""
    near = NEIGHBOURS.get(characters[at])
    if near:
        characters[at] = near[pick(len(near), rng)]
    else:
        swap(characters, at, rng)


def lose_space(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Leave out the nearest space."""
    spaces = [place for place, character in enumerate(characters) if character == " "]
    if spaces:
        characters[min(spaces, key=lambda place: abs(place - at))] = ""


def double(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Write it twice."""
    characters[at] *= 2


def accent(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put an accent on a letter, or spell an umlaut out; what can have none takes its full width."""
    letter = characters[at]
    if letter.lower() in _SPELT_OUT:
        characters[at] = _SPELT_OUT[letter.lower()]
    else:
        characters[at] = _variant(letter, _ACCENTED, rng)


def homoglyph(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put a letter of another script that looks the same in its place; what has none takes its full width."""
    characters[at] = _variant(characters[at], _HOMOGLYPHS, rng)


def widen(characters: list[str], at: int, rng: np.random.Generator) -> None:
    """Put the full-width form in its place."""
    characters[at] = _FULL_WIDTH.get(characters[at], characters[at])


def _variant(letter: str, variants: Mapping[str, str], rng: np.random.Generator) -> str:
    found = variants.get(letter.lower(), "")
    if not found:
        return _FULL_WIDTH.get(letter, letter)
    chosen = found[pick(len(found), rng)]
    return chosen.upper() if letter.isupper() else chosen


KINDS: Mapping[str, tuple[Edit, ...]] = {
    "typos": (substitute, insert, delete, swap),
    "keyboard": (slip,),
    "spaces": (lose_space, double),
    "accents": (accent, homoglyph, widen),
    CASING: (),
}
"""What may happen, by the names that `--kinds` takes; mixed kinds are drawn by their edits."""
