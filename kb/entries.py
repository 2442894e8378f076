"""What of a pair is indexed: its question, its phrasings, and its answer in passages of a few sentences.

A passage carries the question before it: 'it takes three days' says nothing about what takes three days. An answer of
several passages is indexed as a whole too, for questions that touch all of it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from kb.types import EntryRole, QAPair

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One indexed text: the row of its pair, what it is, how it is shown, and the text that is encoded.

    `is_whole` marks the whole of an answer that is indexed in passages too; what is shown of it is the first one.
    """

    row: int
    role: EntryRole
    text: str
    encoded: str
    is_whole: bool = False


def entries_of(pairs: Iterable[QAPair], passage_words: int) -> Iterator[Entry]:
    """Yield the entries of all pairs, pair by pair; the order is the same for the same pairs.

    Args:
        pairs: their order gives the rows, from 0.
        passage_words: length of a passage of an answer, about.
    """
    for row, pair in enumerate(pairs):
        yield Entry(row=row, role="question", text=pair.question, encoded=pair.question)
        for phrasing in pair.phrasings:
            yield Entry(row=row, role="phrasing", text=phrasing, encoded=phrasing)
        passages = split_passages(plain_text(pair.answer), passage_words)
        for passage in passages:
            yield Entry(row=row, role="answer", text=passage, encoded=f"{pair.question}: {passage}")
        if len(passages) > 1:
            whole = " ".join(passages)
            yield Entry(row=row, role="answer", text=passages[0], encoded=f"{pair.question} {whole}", is_whole=True)


def document_of(pair: QAPair) -> str:
    """Return question and answer as one plain text: what lexical retrieval reads of a pair besides its questions."""
    return f"{pair.question} {plain_text(pair.answer)}"


def plain_text(markdown: str) -> str:
    """Return the words of a Markdown text, lines and blocks separated by spaces; tags and addresses are left out."""
    words: list[str] = []
    for block in _MARKDOWN.parse(markdown):
        if block.type == "inline":
            words.extend(_word(child) for child in block.children or ())
        else:
            words.append(_word(block))
        if block.block:
            words.append(" ")
    return " ".join("".join(words).split())


def _word(token: Token) -> str:
    """Return the words of one token; line breaks carry none, but hold words apart."""
    is_break = token.type == "html_inline" and token.content.lower().startswith("<br")
    if is_break or token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type == "html_block":
        return _TAG.sub(" ", token.content)
    return "" if token.type == "html_inline" else token.content


def split_passages(text: str, passage_words: int) -> Sequence[str]:
    """Return the text in passages of about the same number of words; none where there is no text."""
    words = text.split()
    if not words:
        return ()
    count = max(1, round(len(words) / passage_words))
    size = -(-len(words) // count)
    return [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
