"""Which questions of different customers are one: the same but for politeness, or for one typing error."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from kb.importers.phrases import words
from kb.text import normalised

Key = tuple[str, ...]

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SHORTEST_TYPO = 5
_SHORTEST_SUBSTITUTION = 7
# Words of politeness: they change how a question is put, and not what it asks.
_POLITE = words(
    "a an the please pls plz kindly so just some any hi hello hey thanks thank bitte mal denn ein eine einen"
)
_SAME = {"could": "can", "pkg": "parcel", "package": "parcel", "whats": "what's", "wheres": "where's", "u": "you"}
_ASKS_TO_BE_TOLD = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please )?(?:tell|explain|let) (?:to )?(?:me|us)(?: know)?"
    r"|(?:i|we)(?:'d| would)? (?:want|like|need|wish) to know|(?:please )?(?:tell me|let me know)|do you know"
    r"|können sie mir (?:bitte )?sagen|ich (?:möchte|würde gern) wissen)\s",
    re.IGNORECASE,
)


def question_key(question: str) -> Key:
    """Return the words of a question in their order, without politeness; all of its words where nothing is left."""
    text = normalised(question)
    tokens = _TOKEN.findall(_ASKS_TO_BE_TOLD.sub("", text))
    telling = tuple(_SAME.get(token, token) for token in tokens if token not in _POLITE)
    return telling or tuple(tokens) or (text,)


def merged_keys(keys: Iterable[Key]) -> dict[Key, Key]:
    """Return for every key the smallest key of its group: keys that differ in one word by one typing error are one."""
    root: dict[Key, Key] = {key: key for key in keys}

    def find(key: Key) -> Key:
        while root[key] != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    buckets: dict[tuple[Key, str], list[tuple[str, Key]]] = defaultdict(list)
    for key in sorted(root):
        for place, word in enumerate(key):
            if len(word) >= _SHORTEST_TYPO - 1 and word.isalpha() and len(key) > 1:
                others = key[:place] + key[place + 1 :]
                for variant in {word, *(word[:cut] + word[cut + 1 :] for cut in range(len(word)))}:
                    buckets[others, variant].append((word, key))
    for bucket in buckets.values():
        # Every two of them, few as they are: then what is one group doesn't depend on the keys of other groups.
        for (word, key), (other_word, other_key) in combinations(bucket, 2):
            if is_typing_error(word, other_word):
                low, high = sorted((find(key), find(other_key)))
                root[high] = low
    return {key: find(key) for key in root}


def is_typing_error(one: str, other: str) -> bool:
    """Whether two words of five letters or more are one slip apart: a letter added, left out or changed, two swapped.

    The first letter must agree; a changed letter counts in long words only, and words of four letters may differ by an
    ending: boot and boots are one, visa and vista, boots and roots, stoves and stores are two.
    """
    short, long = sorted((one, other), key=len)
    if len(long) < _SHORTEST_TYPO or short[0] != long[0] or len(long) - len(short) > 1:
        return False
    if len(short) < _SHORTEST_TYPO:
        return long.startswith(short)
    start = next((place for place, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    changed = short[start + 1 :] == long[start + 1 :] and len(long) >= _SHORTEST_SUBSTITUTION
    return swapped or changed
