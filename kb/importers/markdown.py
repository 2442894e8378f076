"""A Markdown FAQ: headings are questions, the text below them answers, the headings above them topics.

A heading that ends with a question mark is a question, and deeper headings without one belong to its answer. Any other
heading is a question if no heading stands below it, else a topic. The answer is kept as it was written.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from kb.errors import ImportFileError, describe
from kb.importers.encodings import detect_encoding
from kb.importers.lines import LineReader
from kb.importers.records import FileFormat, Reject, Row

SIZE_LIMIT = 50_000_000
_COLUMNS = ("question", "answer", "topic", "phrasings", "id", "locale", "source")
_ALSO_ASKED = re.compile(
    r"^[*_]{0,3}(also asked|other ways to ask|auch gefragt|andere formulierungen|aussi demandé|también preguntan)"
    r"[*_]{0,3} ?:?[*_]{0,3}$",
    re.IGNORECASE,
)
_ANCHOR = re.compile(r"\s*\{#([\w.:-]{1,200})\}\s*$")
_CLOSING_HASHES = re.compile(r"\s+#+\s*$")
_QUESTION_MARKS = ("?", "？", "؟")
_LISTS = ("bullet_list_open", "ordered_list_open")
_FENCES = {"---": ("---", "..."), "+++": ("+++",)}
_FRONT_NAMES = {
    **{"topic": "topic", "category": "topic", "lang": "locale", "language": "locale"},
    **{"locale": "locale", "source": "source", "url": "source"},
}


@dataclass(kw_only=True, slots=True)
class _Section:
    """One heading, the lines of text of its own [start, end), the headings right above and below it."""

    title: str
    anchor: str
    level: int
    line: int
    start: int
    end: int = 0
    parent: "_Section | None" = None
    children: "list[_Section]" = field(default_factory=list)

    @property
    def asks(self) -> bool:
        return self.title.endswith(_QUESTION_MARKS)


class MarkdownTable:
    """A Markdown file as rows of question, answer, topic and phrasings."""

    def __init__(self, path: Path) -> None:
        """Read the file; ImportFileError where it is empty, too large, or has no heading."""
        self.path = path
        self.bytes_read = 0
        size = path.stat().st_size
        if size > SIZE_LIMIT:
            raise ImportFileError(
                describe(
                    expected=f"at most {SIZE_LIMIT:,} bytes of Markdown in {path.name}",
                    got=f"{size:,}",
                    remedy="split it, or bring it as CSV",
                )
            )
        encoding = detect_encoding(path)
        self.info = FileFormat(format="markdown", encoding=encoding)
        lines = list(LineReader(path, encoding))
        self._faults = {line.number - 1: line.fault for line in lines if line.fault}
        self._lines = [line.text for line in lines]
        self._front, body_start = _front_matter(self._lines)
        # Lines of the front matter are blanked, so that line numbers stay those of the file.
        self._tokens = (
            MarkdownIt("commonmark").enable("table").parse("\n".join([""] * body_start + self._lines[body_start:]))
        )
        self._sections = _sections(self._tokens, len(self._lines))
        if not self._sections:
            raise ImportFileError(
                describe(
                    expected=f"headings as questions with their answers below in {path.name}",
                    got="no heading" if any(map(str.strip, self._lines)) else "an empty file",
                    remedy="write each question as '## How do I ...?' and its answer below it",
                )
            )
        front_columns = {"locale", "source"} - self._front.keys()
        self.columns = tuple(name for name in _COLUMNS if name not in front_columns)

    def rows(self) -> Iterator[Row | Reject]:
        """Yield every question once, in the order of the file."""
        answered_to = 0
        for section in self._sections:
            if section.line >= answered_to and (section.asks or not section.children):
                answered_to = _answer_end(section)
                yield self._row(section, answered_to)
        self.bytes_read = self.path.stat().st_size

    def _row(self, section: _Section, end: int) -> Row | Reject:
        original = "\n".join(self._lines[section.line : end]).strip()
        fault = next((self._faults[line] for line in range(section.line, end) if line in self._faults), "")
        if fault:
            return Reject(line=section.line + 1, reason=fault, original=original)
        phrasings, answer = self._split_phrasings(section.start, end)
        fields = {
            "question": section.title,
            "answer": answer,
            "topic": self._topic(section),
            "phrasings": json.dumps(phrasings, ensure_ascii=False),
            "id": section.anchor,
            "locale": self._front.get("locale", ""),
            "source": self._front.get("source", ""),
        }
        return Row(line=section.line + 1, fields=fields, original=original)

    def _topic(self, section: _Section) -> str:
        """Return the nearest heading above that is no question; the front matter goes before the file's title."""
        above = section.parent
        while above is not None and above.asks:
            above = above.parent
        from_front = self._front.get("topic", "")
        if above is None or (above.parent is None and from_front):
            return from_front
        return above.title

    def _split_phrasings(self, start: int, end: int) -> tuple[list[str], str]:
        """Return the items of the list under 'Also asked:', and the answer without it."""
        blocks = [token for token in self._tokens if token.map and start <= token.map[0] < end]
        for marker, following in zip(blocks, blocks[2:], strict=False):
            if marker.type != "paragraph_open" or marker.level or following.type not in _LISTS:
                continue
            first, after_marker = marker.map or (start, start)
            last = min(following.map[1] if following.map else end, end)
            if _ALSO_ASKED.match(" ".join(self._lines[first:after_marker]).strip()):
                kept = [*self._lines[start:first], *self._lines[last:end]]
                return _items(blocks, first, last), "\n".join(kept).strip("\n")
        return [], "\n".join(self._lines[start:end]).strip("\n")


def _items(blocks: list[Token], first: int, last: int) -> list[str]:
    """Return the text of every list item between two lines."""
    inside = [block for block in blocks if block.type == "inline" and block.level > 1 and block.map]
    return [block.content.replace("\n", " ") for block in inside if block.map and first < block.map[0] < last]


def _front_matter(lines: list[str]) -> tuple[dict[str, str], int]:
    """Return the plain `key: value` lines of the front matter, and the first line after it."""
    closing = _FENCES.get(lines[0].rstrip()) if lines else None
    if closing is None:
        return {}, 0
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() in closing), None)
    if end is None:
        return {}, 0
    found = {}
    for line in lines[1:end]:
        key, separator, value = line.partition(":" if lines[0].startswith("---") else "=")
        name = _FRONT_NAMES.get(key.strip().lower())
        if separator and name:
            found[name] = value.strip().strip("\"'")
    return found, end + 1


def _sections(tokens: list[Token], last_line: int) -> list[_Section]:
    """Return the headings that stand in no list or quote, each with its text and its place in the tree."""
    sections: list[_Section] = []
    open_sections: list[_Section] = []
    for heading, inline in pairwise(tokens):
        if heading.type != "heading_open" or heading.level or heading.map is None:
            continue
        level = int(heading.tag[1:])
        if sections:
            sections[-1].end = heading.map[0]
        while open_sections and open_sections[-1].level >= level:
            open_sections.pop()
        parent = open_sections[-1] if open_sections else None
        title, anchor = _title(inline.content)
        section = _Section(
            title=title,
            anchor=anchor,
            level=level,
            line=heading.map[0],
            start=heading.map[1],
            end=last_line,
            parent=parent,
        )
        if parent is not None:
            parent.children.append(section)
        sections.append(section)
        open_sections.append(section)
    return sections


def _title(content: str) -> tuple[str, str]:
    """Return the heading without its anchor `{#id}` and emphasis, and the anchor."""
    anchor = _ANCHOR.search(content)
    title = _CLOSING_HASHES.sub("", content[: anchor.start()] if anchor else content)
    return re.sub(r"^(\*\*|__)(.+)\1$", r"\2", title.replace("\n", " ").strip()), anchor[1] if anchor else ""


def _answer_end(section: _Section) -> int:
    """Return the line after the answer: the next heading's, but deeper ones that ask nothing belong to the answer."""
    end = section.end
    for child in section.children:
        if child.asks:
            return end
        end = max(end, _answer_end(child))
    return end
