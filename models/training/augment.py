"""Questions as they are typed in a hurry: slips, casing, dropped and swapped words, other openings, synonyms.

Words with a digit, e-mail addresses and URLs are never touched, dropped or moved: an order number with a slip is
another order. Negations are never dropped either. Every change follows from the generator alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kb.errors import TrainingDataError, describe
from models.training import slips
from models.training.slips import Pieces, editable, is_protected, pick, pieces_of
from models.training.templates import CLOSINGS, OPENINGS, Templates

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
_JOINTS = frozenset(" ,.;:!?-，。；：！？")


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """How likely each change is in one text; several may meet."""

    template: float = 0.15
    """Another opening or closing, or none."""
    synonym: float = 0.2
    word_drop: float = 0.1
    word_swap: float = 0.05
    keyboard_slip: float = 0.1
    """A letter of its neighbour on a QWERTY keyboard."""
    transposition: float = 0.05
    missing_letter: float = 0.05
    doubled_letter: float = 0.05
    missing_space: float = 0.05
    punctuation_drop: float = 0.2
    casing: float = 0.15
    """All lower case, all upper case, or each letter as it comes."""
    locale: str = "en"
    """Whose openings and closings are taken: en has some; others have those of `phrases` alone. Chinese is found by
    its characters."""


class Augmenter:
    """Changes texts; safe to share, since it keeps nothing between calls."""

    def __init__(
        self,
        config: AugmentConfig,
        *,
        phrases: Sequence[str] = (),
        synonyms: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Take the organisation's own phrases, and synonyms from `read_synonyms`, beside what is built in.

        A phrase ends, or begins, with a space or a punctuation mark where the question stands: "hi, " is an opening,
        " asap" a closing. Synonyms with a digit or an address are passed over.

        Raises:
            TrainingDataError: a phrase is neither, or has a digit or an address.
        """
        openings, closings = _sides(phrases)
        language = config.locale.split("-")[0].lower()
        self._templates = Templates((*OPENINGS.get(language, ()), *openings), (*CLOSINGS.get(language, ()), *closings))
        self._chinese = Templates((*OPENINGS["zh"], *openings), (*CLOSINGS["zh"], *closings))
        self._synonyms = _usable(synonyms or {})
        self._longest = max((len(editable(pieces_of(term))) for term in self._synonyms), default=0)
        self._template = config.template
        changes: tuple[tuple[float, Callable[[Pieces, np.random.Generator], None]], ...] = (
            (config.synonym if self._synonyms else 0.0, self._take_synonym),
            (config.word_drop, slips.drop_word),
            (config.word_swap, slips.swap_words),
            (config.keyboard_slip, slips.slip),
            (config.transposition, slips.transpose),
            (config.missing_letter, slips.miss_letter),
            (config.doubled_letter, slips.double_letter),
            (config.missing_space, slips.miss_space),
            (config.punctuation_drop, slips.drop_punctuation),
            (config.casing, slips.change_case),
        )
        self._probabilities = [probability for probability, _ in changes]
        self._changes = [change for _, change in changes]

    def augment(self, text: str, rng: np.random.Generator) -> str:
        """Return the text with some changes, maybe none; never blank unless the text is."""
        if not text.strip():
            return text
        template, *draws = rng.random(1 + len(self._changes)).tolist()
        chosen = [
            change
            for draw, probability, change in zip(draws, self._probabilities, self._changes, strict=True)
            if draw < probability
        ]
        changed = text
        if template < self._template:
            templates = self._chinese if _CHINESE.search(text) else self._templates
            changed = templates.swapped(text, rng)
        if chosen:
            pieces = pieces_of(changed)
            for change in chosen:
                change(pieces, rng)
            changed = "".join(pieces).strip()
        return changed if changed.strip() else text

    def splice(self, one: str, other: str, rng: np.random.Generator) -> str:
        """Return the beginning of one phrasing and the end of another of the same pair, joined at a word of both.

        Where they share no word inside, or one has words that are never touched, `one` is returned.
        """
        left, right = pieces_of(one), pieces_of(other)
        if any(map(is_protected, left)) or any(map(is_protected, right)):
            return one
        ends = {right[at].casefold(): at for at in reversed(editable(right)[:-1])}
        joints = [(at, ends[left[at].casefold()]) for at in editable(left)[1:] if left[at].casefold() in ends]
        if not joints:
            return one
        at, end = joints[pick(len(joints), rng)]
        return "".join(left[:at] + right[end:]).strip() or one

    def _take_synonym(self, pieces: Pieces, rng: np.random.Generator) -> None:
        spans = list(self._spans(pieces))
        if spans:
            begin, end, others = spans[pick(len(spans), rng)]
            pieces[begin:end] = pieces_of(_in_case_of(pieces[begin], others[pick(len(others), rng)]))

    def _spans(self, pieces: Pieces) -> Iterator[tuple[int, int, Sequence[str]]]:
        """Yield (begin, end, synonyms) of the terms that are there, the longest at each word."""
        words = editable(pieces)
        for number, begin in enumerate(words):
            for last in reversed(words[number : number + self._longest]):
                others = self._synonyms.get(_key(pieces[begin : last + 1]))
                if others:
                    yield begin, last + 1, others
                    break


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the synonyms of each term in a file of one group a line: terms with commas between, `#` for remarks.

    Raises:
        TrainingDataError: there is no such file, it isn't UTF-8, or a line has one term only.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "other bytes"
        raise TrainingDataError(
            describe(expected=f"a UTF-8 file of synonyms at {path}", got=str(reason), remedy="name another file")
        ) from error
    synonyms: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        terms = list(dict.fromkeys(" ".join(term.split()) for term in line.split("#")[0].split(",") if term.strip()))
        if len(terms) == 1:
            expected = f"two terms or more with commas between in line {number} of {path}"
            raise TrainingDataError(describe(expected=expected, got=terms[0], remedy="add a term or remove the line"))
        for term in terms:
            others = (*synonyms.get(term, ()), *(other for other in terms if other != term))
            synonyms[term] = tuple(dict.fromkeys(others))
    return synonyms


def _sides(phrases: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return openings and closings."""
    openings = [phrase for phrase in phrases if phrase[-1:] in _JOINTS]
    closings = [phrase for phrase in phrases if phrase[-1:] not in _JOINTS]
    for phrase in phrases:
        if is_protected(phrase) or not phrase.strip() or not {phrase[0], phrase[-1]} & _JOINTS:
            raise TrainingDataError(
                describe(
                    expected='phrases that end like "hi, " or begin like " asap" and have no digit or address',
                    got=repr(phrase),
                    remedy="add a space or a punctuation mark there",
                )
            )
    return openings, closings


def _usable(synonyms: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    usable: dict[str, tuple[str, ...]] = {}
    for term, others in synonyms.items():
        kept = tuple(other for other in others if other.strip() and not is_protected(other))
        if kept and term.strip() and not is_protected(term):
            usable[_key(pieces_of(term))] = kept
    return usable


def _key(pieces: Pieces) -> str:
    return " ".join("".join(pieces).lower().split())


def _in_case_of(word: str, synonym: str) -> str:
    if len(word) > 1 and word.isupper():
        return synonym.upper()
    return synonym[:1].upper() + synonym[1:] if word[:1].isupper() else synonym
