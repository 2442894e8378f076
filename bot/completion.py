"""What a customer has typed so far → questions that the knowledge base answers."""

from collections.abc import Sequence

from kb.text import clean_line, normalised
from kb.types import QAPair

FEWEST_CHARACTERS = 2


class Completer:
    """Finds questions by the beginnings of their words; safe to share between threads."""

    def __init__(self, pairs: Sequence[QAPair]) -> None:
        """Take the pairs of a snapshot."""
        self._questions = [(f" {normalised(pair.question)}", pair.question) for pair in pairs]

    def complete(self, prefix: str, limit: int = 5) -> Sequence[str]:
        """Return questions in which every word of the prefix begins a word; those that begin with it come first."""
        typed = normalised(clean_line(prefix)[:200])
        if len(typed) < FEWEST_CHARACTERS:
            return []
        words = [f" {word}" for word in typed.split()]
        found = [
            (not text.startswith(f" {typed}"), f" {typed}" not in text, len(text), question)
            for text, question in self._questions
            if all(word in text for word in words)
        ]
        return [question for *_, question in sorted(found)[:limit]]
