"""Labelled texts in files: intents (`text,label`), pairs (`text_a,text_b,label`), and retrieval (JSON lines)."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from kb.errors import ImportFileError, InputError, describe
from kb.types import QAPair

_log = structlog.get_logger(__name__)

_WORDS = re.compile(r"[^\W\d_]{3}")

OOS = "oos"
"""The label of test questions that are out of scope."""

_SAME = {"1": True, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """A test question and the ids of the pairs that answer it; none for one that is out of scope."""

    question: str
    right: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPair:
    """Two texts, and whether they mean the same."""

    text_a: str
    text_b: str
    same: bool


def read_intents(path: Path) -> list[tuple[str, str]]:
    """Return (text, label) of a CSV file with these columns.

    Rows without a text are passed over, and the log names them.

    Raises:
        ImportFileError: there is no such file, it has other columns, a text without a label, or no text at all.
    """
    rows = [(text, label) for text, label in read_columns(path, ("text", "label"), may_lack="text")]
    # A public file has one among its 5,905 rows: it says nothing, and is no reason to refuse the others.
    blank = [number for number, (text, _) in enumerate(rows, start=2) if not text]
    if len(blank) == len(rows):
        raise ImportFileError(describe(expected=f"a text in {path.name}", got="none", remedy="name another file"))
    if blank:
        _log.warning("passed over rows without a text", file=str(path), rows=blank[:10], count=len(blank))
    return [row for row in rows if row[0]]


def read_pairs(path: Path) -> list[TextPair]:
    """Return the pairs of a CSV file with the columns text_a, text_b and label; other columns are passed over.

    Raises:
        ImportFileError: there is no such file, it has other columns, a row without a text, a label besides 0 and 1, or
            no row.
    """
    pairs = []
    for number, (text_a, text_b, label) in enumerate(read_columns(path, ("text_a", "text_b", "label")), start=2):
        if label not in _SAME:
            raise ImportFileError(
                describe(
                    expected="1 (the same) or 0 as label in every row",
                    got=f"{label} in row {number} of {path.name}",
                    remedy="write 1 or 0",
                )
            )
        pairs.append(TextPair(text_a=text_a, text_b=text_b, same=_SAME[label]))
    return pairs


def pairs_of_intents(rows: Sequence[tuple[str, str]]) -> list[QAPair]:
    """Return one pair per label, without an answer; its texts are phrasings.

    Where the label is made of words, `card_arrival`, these are the pair's question: whoever named it so has said what
    it is about. Else its first text is.
    """
    texts: dict[str, list[str]] = {}
    for text, label in rows:
        if label != OOS:
            texts.setdefault(label, []).append(text)
    return [_pair_of(label, found) for label, found in texts.items()]


def _pair_of(label: str, texts: Sequence[str]) -> QAPair:
    words = label.replace("_", " ").replace("-", " ").strip()
    if _WORDS.search(words):
        return QAPair(pair_id=label, question=words, answer="", phrasings=tuple(texts))
    return QAPair(pair_id=label, question=texts[0], answer="", phrasings=tuple(texts[1:]))


def labelled_of_intents(rows: Sequence[tuple[str, str]], pair_ids: Sequence[str]) -> list[Labelled]:
    """Return test questions.

    Raises:
        InputError: a label is neither a pair nor `oos`.
    """
    unknown = sorted({label for _, label in rows} - set(pair_ids) - {OOS})
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise InputError(
            describe(
                expected=f"labels that are pairs, or {OOS}",
                got=", ".join(unknown[:3]) + more,
                remedy="mend the labels, or name the training file that has them",
            )
        )
    return [Labelled(question=text, right=frozenset({label} - {OOS})) for text, label in rows]


def read_retrieval(folder: Path, split: str) -> tuple[list[QAPair], list[Labelled]]:
    """Return the passages of a folder as pairs, and the questions of a split; the format is in docs/benchmarks.md.

    Raises:
        ImportFileError: a file is missing or not of the format.
    """
    pairs = [
        QAPair(
            pair_id=str(_value(row, "id", folder / "passages.jsonl")),
            question=str(row.get("title") or "") or str(_value(row, "text", folder / "passages.jsonl"))[:200],
            answer=str(_value(row, "text", folder / "passages.jsonl")),
            source=str(row.get("source") or ""),
        )
        for row in read_lines(folder / "passages.jsonl")
    ]
    file = folder / f"{split}.jsonl"
    questions = [
        Labelled(question=str(_value(row, "question", file)), right=_ids(_value(row, "relevant", file), file))
        for row in read_lines(file)
    ]
    if not pairs or not questions:
        raise ImportFileError(describe(expected=f"passages and questions in {folder}", got="none", remedy="fill it"))
    return pairs, questions


def read_columns(path: Path, names: Sequence[str], may_lack: str = "") -> list[tuple[str, ...]]:
    """Return the stripped values of these columns of a CSV file; empty may be those of `may_lack` alone.

    Raises:
        ImportFileError: there is no such file, it has other columns, an empty value, or no row.
    """
    with _reading(path) as stream:
        reader = csv.DictReader(stream, strict=True)
        columns = reader.fieldnames or []
        if not set(names) <= set(columns):
            got = f"{path.name} with {', '.join(columns) or 'nothing'}"
            raise ImportFileError(describe(expected=f"columns {','.join(names)}", got=got, remedy="rename the columns"))
        rows = [tuple((row[name] or "").strip() for name in names) for row in reader]
    for number, values in enumerate(rows, start=2):
        empty = [name for name, value in zip(names, values, strict=True) if not value and name != may_lack]
        if empty:
            raise ImportFileError(
                describe(expected=f"a {empty[0]} in every row", got=f"row {number} of {path.name}", remedy="fill in")
            )
    if not rows:
        raise ImportFileError(describe(expected=f"rows in {path.name}", got="none", remedy="name another file"))
    return rows


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines; empty lines are passed over.

    Raises:
        ImportFileError: there is no such file, or a line is not a JSON object.
    """
    rows = []
    with _reading(path) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _not_json(path, number) from error
            if not isinstance(row, dict):
                raise _not_json(path, number)
            rows.append(row)
    return rows


def _value(row: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in row:
        raise ImportFileError(
            describe(expected=f"{key} in every line of {path}", got=", ".join(row) or "nothing", remedy="add it")
        )
    return row[key]


def _ids(value: Any, path: Path) -> frozenset[str]:
    if not isinstance(value, list):
        raise ImportFileError(
            describe(expected=f"a list of passage ids as relevant in {path}", got=repr(value), remedy="mend the line")
        )
    return frozenset(map(str, value))


def _not_json(path: Path, number: int) -> ImportFileError:
    return ImportFileError(
        describe(
            expected="a JSON object a line", got=f"another thing in line {number} of {path}", remedy="mend the line"
        )
    )


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ImportFileError(
            describe(expected=f"a UTF-8 file at {path}", got=str(reason), remedy="name another file")
        ) from error
