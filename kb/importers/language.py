"""The language of a file: one for all of its rows unless it is clearly mixed; by py3langid."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

DEFAULT_LOCALE = "en"
_SURE = 0.8
_MIXED_SHARE = 0.1
_MIXED_ROWS = 3
_SAMPLE = 512
_TEXT_LENGTH = 600
# An ideograph says about as much as four letters.
_ENOUGH_LETTERS = 40
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
# Languages in which shops and offices write: near relatives that short texts are mistaken for are left out.
_LANGUAGES = (
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "he", "hi"),
    *("hr", "hu", "id", "is", "it", "ja", "ka", "ko", "lt", "lv", "mk", "ms", "nb", "nl", "pl", "pt", "ro", "ru", "sk"),
    *("sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh"),
)
_CODE = re.compile(r"^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$")
_NAMES = {
    **{"english": "en", "german": "de", "deutsch": "de", "french": "fr", "français": "fr", "spanish": "es"},
    **{"español": "es", "italian": "it", "italiano": "it", "portuguese": "pt", "português": "pt", "dutch": "nl"},
    **{"nederlands": "nl", "polish": "pl", "polski": "pl", "chinese": "zh", "中文": "zh", "japanese": "ja"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LocaleRule:
    """What the rows of one file are taken for: `default`, or one of `others` where a row surely is."""

    default: str = DEFAULT_LOCALE
    others: frozenset[str] = frozenset()

    def locale_of(self, text: str) -> str:
        """Return the locale of a row with this text."""
        if not self.others:
            return self.default
        found = _classified(text)
        return found if found in self.others else self.default


class LanguageSample:
    """Every k-th text of a file, k doubling whenever the sample is full: spread evenly over any number of rows."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._texts: list[str] = []
        self._seen = 0
        self._step = 1

    def add(self, text: str) -> None:
        """Take the next text of the file."""
        if self._seen % self._step == 0:
            self._texts.append(text[:_TEXT_LENGTH])
            if len(self._texts) == _SAMPLE:
                self._texts = self._texts[::2]
                self._step *= 2
        self._seen += 1

    def rule(self) -> LocaleRule:
        """Return the rule for the file."""
        if not self._texts:
            return LocaleRule()
        counts = Counter(found for found in map(_classified, self._texts) if found)
        if not counts:
            together = " ".join(self._texts)[: 10 * _TEXT_LENGTH]
            return LocaleRule(default=_classified(together) or DEFAULT_LOCALE)
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        least = max(_MIXED_ROWS, _MIXED_SHARE * counts.total())
        return LocaleRule(default=ranked[0], others=frozenset(name for name in ranked[1:] if counts[name] >= least))


def locale_rule(texts: Iterable[str]) -> LocaleRule:
    """Return the rule for a file with these texts."""
    sample = LanguageSample()
    for text in texts:
        sample.add(text)
    return sample.rule()


def standard_locale(name: str) -> str:
    """Return the language tag for what a locale column says: `de`, `en-GB`; empty if it is none."""
    plain = name.strip().casefold().replace("_", "-")
    code = _NAMES.get(plain, plain)
    if not _CODE.match(code):
        return ""
    language, *subtags = code.split("-")
    return "-".join([language, *(_subtag(subtag) for subtag in subtags)])


def _subtag(subtag: str) -> str:
    """Write regions in capitals and scripts with one, as in zh-Hant-TW (BCP 47)."""
    return {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)


def _classified(text: str) -> str:
    """Return the language of the text, empty where it is too short or doubtful."""
    shown = text[:_TEXT_LENGTH]
    if len(_LETTER.findall(shown)) + 3 * len(_IDEOGRAPH.findall(shown)) < _ENOUGH_LETTERS:
        return ""
    name, probability = _identifier().classify(shown)
    return str(name) if probability >= _SURE else ""


@cache
def _identifier() -> "LanguageIdentifier":
    # Loaded on first use: it takes a second and 100 MB, and most files name their language or don't need it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([name for name in _LANGUAGES if name in set(identifier.labels)])
    return identifier
