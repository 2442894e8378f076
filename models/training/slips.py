"""A text in pieces, and the slips that happen to them, each in place.

Words with a digit, e-mail addresses and links are protected, and so is a word that touches one without a space: an
order number with a slip is another order.
"""

import re
from itertools import pairwise

import numpy as np

from models.training.grouping import UNSPACED

Pieces = list[str]

_HAN = f"{UNSPACED}\U00020000-\U0003ffff"
_HARD = re.compile(r"\d|@|://|\w\.\w")
# A run with something protected | one character of a script without spaces | a word | white space | anything else.
_PIECE = re.compile(
    f"(?=[^\\s{_HAN}]*?(?:{_HARD.pattern}))[^\\s{_HAN}]+|[{_HAN}]|[^\\W\\d_{_HAN}]+(?:['’][^\\W\\d_{_HAN}]+)*|\\s+|.",
    re.DOTALL,
)
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEGATIONS = (
    {"not", "no", "never", "without", "cannot", "nor", "none"}
    | {"nicht", "kein", "keine", "nie", "ohne", "pas", "sans", "ne"}
    | set("不没未无别")
)
_PUNCTUATION = frozenset(".,;:!?…'’\"“”()¡¿、。，！？；：（）「」")
# Letters of a word in which slips happen, and words of a text from which one may be dropped.
_SHORTEST = 3
_FEWEST_WORDS = 4


def pieces_of(text: str) -> Pieces:
    """Return the pieces of a text, which joined give it again."""
    return _PIECE.findall(text)


def is_protected(piece: str) -> bool:
    """Whether the piece is never touched."""
    return _HARD.search(piece) is not None


def editable(pieces: Pieces) -> list[int]:
    """Return the places of the words that may be changed; in scripts without spaces each character is one."""
    found = [at for at, piece in enumerate(pieces) if piece.isalpha() or _has_apostrophe(piece)]
    hard = {at for at, piece in enumerate(pieces) if is_protected(piece)}
    return [at for at in found if hard.isdisjoint((at - 1, at, at + 1))] if hard else found


def pick(count: int, rng: np.random.Generator) -> int:
    """Return a number below count; several times faster than `Generator.integers`."""
    return int(rng.random() * count)


def _neighbours() -> dict[str, str]:
    """Return the keys around each letter of a QWERTY keyboard, whose rows are each half a key further right."""
    near: dict[str, str] = {}
    for row, keys in enumerate(_ROWS):
        for at, key in enumerate(keys):
            above = _ROWS[row - 1][at : at + 2] if row else ""
            below = _ROWS[row + 1][max(0, at - 1) : at + 1] if row + 1 < len(_ROWS) else ""
            near[key] = keys[max(0, at - 1) : at] + keys[at + 1 : at + 2] + above + below
    return near | {key.upper(): keys.upper() for key, keys in near.items()}


NEIGHBOURS = _neighbours()
"""The keys around each letter, in either case."""


def slip(pieces: Pieces, rng: np.random.Generator) -> None:
    """Put a neighbouring key in the place of a letter."""
    word = _some_word(pieces, rng)
    if word is not None:
        letters = [at for at, letter in enumerate(pieces[word]) if letter in NEIGHBOURS]
        if letters:
            at = letters[pick(len(letters), rng)]
            near = NEIGHBOURS[pieces[word][at]]
            pieces[word] = pieces[word][:at] + near[pick(len(near), rng)] + pieces[word][at + 1 :]


def transpose(pieces: Pieces, rng: np.random.Generator) -> None:
    """Swap two neighbouring letters of a word."""
    word = _some_word(pieces, rng)
    if word is not None:
        text = pieces[word]
        at = pick(len(text) - 1, rng)
        pieces[word] = text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def miss_letter(pieces: Pieces, rng: np.random.Generator) -> None:
    """Leave a letter out."""
    word = _some_word(pieces, rng)
    if word is not None:
        at = pick(len(pieces[word]), rng)
        pieces[word] = pieces[word][:at] + pieces[word][at + 1 :]


def double_letter(pieces: Pieces, rng: np.random.Generator) -> None:
    """Write a letter twice."""
    word = _some_word(pieces, rng)
    if word is not None:
        at = pick(len(pieces[word]), rng)
        pieces[word] = pieces[word][:at] + pieces[word][at] + pieces[word][at:]


def drop_word(pieces: Pieces, rng: np.random.Generator) -> None:
    """Leave a word out that is no negation, where enough are left."""
    words = editable(pieces)
    unneeded = [at for at in words if not is_negation(pieces[at])]
    if len(words) >= _FEWEST_WORDS and unneeded:
        at = unneeded[pick(len(unneeded), rng)]
        # With the white space behind it, or before it at the end.
        space = at + 1 if at + 1 < len(pieces) and pieces[at + 1].isspace() else at
        before = at - 1 if space == at and at and pieces[at - 1].isspace() and at + 1 == len(pieces) else at
        del pieces[before : space + 1]


def swap_words(pieces: Pieces, rng: np.random.Generator) -> None:
    """Swap two neighbouring words."""
    words = editable(pieces)
    neighbours = [(one, other) for one, other in pairwise(words) if is_blank(pieces[one + 1 : other])]
    if neighbours:
        one, other = neighbours[pick(len(neighbours), rng)]
        pieces[one], pieces[other] = pieces[other], pieces[one]


def miss_space(pieces: Pieces, rng: np.random.Generator) -> None:
    """Leave out the space between two words."""
    words = frozenset(editable(pieces))
    spaces = [at for at in range(1, len(pieces)) if pieces[at].isspace() and at - 1 in words and at + 1 in words]
    if spaces:
        pieces[spaces[pick(len(spaces), rng)]] = ""


def drop_punctuation(pieces: Pieces, rng: np.random.Generator) -> None:
    """Leave out all punctuation."""
    for at, piece in enumerate(pieces):
        if piece in _PUNCTUATION:
            # Two words stay two: "tents,stoves" has no space.
            pieces[at] = " " if "".join(pieces[max(0, at - 1) : at] + pieces[at + 1 : at + 2]).isalpha() else ""
        elif ("'" in piece or "’" in piece) and not is_protected(piece):
            pieces[at] = piece.replace("'", "").replace("’", "")


def change_case(pieces: Pieces, rng: np.random.Generator) -> None:
    """Write in lower case, in upper case, or in either as it comes."""
    which = pick(3, rng)
    for at in editable(pieces):
        word = pieces[at]
        if which == 0:
            pieces[at] = word.lower()
        elif which == 1:
            pieces[at] = word.upper()
        else:
            upper = rng.random(len(word)).tolist()
            pieces[at] = "".join(
                letter.upper() if draw < 0.5 else letter.lower() for letter, draw in zip(word, upper, strict=True)
            )


def _some_word(pieces: Pieces, rng: np.random.Generator) -> int | None:
    long_enough = [at for at in editable(pieces) if len(pieces[at]) >= _SHORTEST]
    return long_enough[pick(len(long_enough), rng)] if long_enough else None


def _has_apostrophe(piece: str) -> bool:
    return ("'" in piece or "’" in piece) and piece.replace("'", "").replace("’", "").isalpha()


def is_negation(word: str) -> bool:
    """Whether a text without this word says the contrary."""
    lower = word.lower().replace("’", "'")
    return lower in _NEGATIONS or lower.endswith("n't")


def is_blank(pieces: Pieces) -> bool:
    """Whether nothing but white space is there."""
    return not "".join(pieces).strip()
