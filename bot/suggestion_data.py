"""Requests with the questions that may be suggested, and what each of them serves, from files.

    question_bank.csv          id,text                  everything that can be suggested
    train | dev | test.jsonl   {id, request, facets: {id: text}, questions: [{id, text, facets: []}]}

`facets` of a request are what people who write it want; those of a question are what it serves of them. A question of
the bank that is not among a request's questions was not judged, and counts as serving nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.labelled import read_columns, read_lines
from kb.errors import ImportFileError, describe

BoolMatrix = NDArray[np.bool_]
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request and its judgements."""

    text: str
    facets: tuple[str, ...]
    serves: Mapping[str, frozenset[str]]
    """Judged question, by id → facets that it serves, none for one that was judged to serve nothing."""

    def judged(self) -> BoolMatrix:
        """Return which judged questions serve which facets (j, m)."""
        return self.rows(list(self.serves))

    def rows(self, question_ids: Sequence[str]) -> BoolMatrix:
        """Return which of these questions serve which facets (n, m)."""
        found = [[facet in self.serves.get(each, ()) for facet in self.facets] for each in question_ids]
        return np.array(found, dtype=bool).reshape(len(question_ids), len(self.facets))


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """The questions that can be suggested, in the order of their file."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]


def read_bank(folder: Path) -> Bank:
    """Return the bank of a folder; of questions with the same id the first counts.

    Raises:
        ImportFileError: there is no such file, it has other columns, an empty value, or fewer than two questions.
    """
    path = folder / "question_bank.csv"
    texts: dict[str, str] = {}
    for question_id, text in read_columns(path, ("id", "text")):
        texts.setdefault(question_id, text)
    if len(texts) < 2:
        raise ImportFileError(describe(expected=f"two questions or more in {path}", got="one", remedy="add some"))
    return Bank(ids=tuple(texts), texts=tuple(texts.values()))


def read_requests(folder: Path, split: str) -> list[Request]:
    """Return the requests of a split.

    Raises:
        ImportFileError: there is no such file, or it is not of the format.
    """
    path = folder / f"{split}.jsonl"
    found = [_request(row, number, path) for number, row in enumerate(read_lines(path), start=1)]
    if not found:
        raise ImportFileError(describe(expected=f"requests in {path}", got="none", remedy="fill it"))
    return found


def _request(row: Mapping[str, Any], number: int, path: Path) -> Request:
    text, facets, questions = row.get("request"), row.get("facets"), row.get("questions")
    if not (isinstance(text, str) and text and isinstance(facets, dict) and isinstance(questions, list)):
        raise _refused("request, facets and questions", ", ".join(row) or "nothing", number, path)
    serves: dict[str, frozenset[str]] = {}
    for each in questions:
        if not (isinstance(each, dict) and "id" in each and isinstance(each.get("facets"), list)):
            raise _refused("an id and a list of facets in every question", repr(each)[:60], number, path)
        served = frozenset(map(str, each["facets"]))
        if served - set(facets):
            raise _refused("facets that the request has", ", ".join(sorted(served - set(facets))), number, path)
        question_id = str(each["id"])
        serves[question_id] = serves.get(question_id, frozenset()) | served
    return Request(text=text, facets=tuple(facets), serves=serves)


def _refused(expected: str, got: str, number: int, path: Path) -> ImportFileError:
    return ImportFileError(describe(expected=expected, got=f"{got} in request {number} of {path}", remedy="mend it"))
