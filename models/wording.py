"""How a question is worded, whatever it is about: the words of the request that it repeats become a sign.

`would you like to read reviews of the ritz carlton` to `ritz carlton lake las vegas` is `would you like to read reviews
of the @`. So what is learned of a wording from some requests holds for others.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable

_WORD = re.compile(r"\w+")
_REPEATED = "@"
_OPENING, _RUN = 5, 3
"""Words of the longest opening, and of the longest run anywhere, that count as wordings."""


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return _WORD.findall(text.lower())


def common_words(texts: Iterable[str], share: float) -> frozenset[str]:
    """Return the words that are in at least so large a share of the texts: they tell wordings, and no matter."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        counts.update(set(words(text)))
        total += 1
    return frozenset(word for word, count in counts.items() if count >= share * total)


def wordings(request: str, question: str, common: Collection[str]) -> frozenset[str]:
    """Return the openings and runs of words of a question, and its last word, with `@` for what it repeats."""
    asked = set(words(request)) - set(common)
    signs: list[str] = []
    for word in words(question):
        sign = _REPEATED if word in asked else word
        if sign != _REPEATED or signs[-1:] != [_REPEATED]:
            signs.append(sign)
    openings = {"^" + " ".join(signs[:size]) for size in range(1, min(_OPENING, len(signs)) + 1)}
    runs = {" ".join(signs[at : at + size]) for size in range(1, _RUN + 1) for at in range(len(signs) - size + 1)}
    return frozenset(openings | runs | {f"{last}$" for last in signs[-1:]})
