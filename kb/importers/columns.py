"""Which column of a file is what: found by its name in many languages, or given by a mapping."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.errors import ImportFileError, describe

# In order of preference: the first name that the file has is taken, and a column is taken once.
PAIR_NAMES: Mapping[str, tuple[str, ...]] = {
    "question": (
        *("question", "questions", "user question", "customer question", "query", "user query", "faq question"),
        *("frage", "kundenfrage", "pregunta", "pergunta", "domanda", "vraag", "fråga", "pytanie", "вопрос", "问题"),
        *(
            "質問",
            "instruction",
            "prompt",
            "utterance",
            "title",
            "subject",
            "titel",
            "betreff",
            "request",
            "input",
            "text",
        ),
    ),
    "answer": (
        *(
            "answer",
            "answers",
            "response",
            "responses",
            "reply",
            "best answer",
            "faq answer",
            "agent reply",
            "solution",
        ),
        *(
            "antwort",
            "lösung",
            "respuesta",
            "resposta",
            "réponse",
            "reponse",
            "risposta",
            "antwoord",
            "svar",
            "odpowiedź",
        ),
        *("ответ", "答案", "回答", "output", "completion", "body", "content", "description", "text"),
    ),
    "topic": ("topic", "category", "kategorie", "thema", "section", "intent", "label", "group", "tag"),
    "pair_id": ("pair id", "id", "faq id", "question id", "key", "uid"),
    "locale": ("locale", "lang", "language", "sprache", "langue", "idioma"),
    "source": ("source", "url", "source url", "link", "quelle", "reference"),
    "phrasings": (
        *("phrasings", "alternatives", "alternative questions", "alternative phrasings", "other phrasings", "variants"),
        *("variations", "also asked", "similar questions", "alternativen", "phrasing"),
    ),
}
TURN_NAMES: Mapping[str, tuple[str, ...]] = {
    "conversation_id": (
        *("conversation id", "conversation", "conv id", "chat id", "session id", "thread id", "ticket id"),
        *("dialogue id", "dialog id", "case id"),
    ),
    "role": (
        "role",
        "speaker",
        "author",
        "author type",
        "sender",
        "sender type",
        "participant",
        "party",
        "direction",
        "from",
    ),
    "text": ("text", "message", "utterance", "content", "body", "msg"),
    "time": ("time", "timestamp", "created at", "sent at", "datetime", "date"),
    "turn": ("turn", "turn id", "index", "sequence", "seq", "position"),
    "pair_id": ("pair id", "pair", "faq id"),
    "intent": ("intent", "label", "topic", "category"),
}
_NOTHING = re.compile(r"[\s_\-./:#*\"']+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """What a file holds, and the column of each role that was found."""

    kind: str
    by_role: Mapping[str, str]

    def get(self, fields: Mapping[str, str], role: str) -> str:
        """Return the cell of the role in a row, empty where the file has no such column or the row no such cell."""
        column = self.by_role.get(role)
        return fields.get(column, "") if column is not None else ""


def find_columns(path: Path, names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """Return which column is what: of a transcript where there is a conversation with turns, else of pairs.

    Args:
        path: The file, for messages.
        names: The names of its columns.
        mapping: Role to column name, for what names alone don't tell; the other roles are found by name.

    Raises:
        ImportFileError: A mapped column is not in the file, or the needed columns are not found.
    """
    given = _given(path, names, mapping or {})
    turns = _by_name(TURN_NAMES, names, given)
    pairs = _by_name(PAIR_NAMES, names, given)
    complete = "question" in pairs and "answer" in pairs
    if {"conversation_id", "text"} <= turns.keys() and ({"role", "turn"} & turns.keys() or not complete):
        return Columns(kind="transcript", by_role=turns)
    if complete:
        return Columns(kind="pairs", by_role=pairs)
    raise ImportFileError(
        describe(
            expected="columns for question and answer, or for conversation_id, role and text",
            got=f"the columns {_listed(names)} in {path.name}",
            remedy="name them in the first row, or give them, as in --map question='Column A' --map answer='Column B'",
        )
    )


def count_known(names: Iterable[str], mapping: Mapping[str, str] | None = None) -> int:
    """Return how many of the names are known or mapped: what tells the right delimiter from a wrong one."""
    known = {name for aliases in (*PAIR_NAMES.values(), *TURN_NAMES.values()) for name in aliases}
    known.update(_plain(name) for name in (mapping or {}).values())
    return sum(_plain(name) in known for name in names)


def _given(path: Path, names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Return role → column of the mapping, with names as the file spells them."""
    roles = dict.fromkeys([*PAIR_NAMES, *TURN_NAMES])
    spelled = {_plain(name): name for name in reversed(names)}
    given = {}
    for key, wanted in mapping.items():
        role = "pair_id" if key == "id" else key
        if role not in roles:
            raise ImportFileError(
                describe(expected=f"one of {_listed(roles)} to be mapped", got=key, remedy="correct the mapping")
            )
        column = wanted if wanted in names else spelled.get(_plain(wanted))
        if column is None:
            raise ImportFileError(
                describe(
                    expected=f"a column {wanted!r} for {key} in {path.name}",
                    got=f"the columns {_listed(names)}",
                    remedy="correct the mapping, or the first row of the file",
                )
            )
        given[role] = column
    return given


def _by_name(known: Mapping[str, tuple[str, ...]], names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    found = {role: column for role, column in given.items() if role in known}
    free = {_plain(name): name for name in reversed(names) if name not in given.values()}
    for role, aliases in known.items():
        if role not in found:
            alias = next((alias for alias in aliases if alias in free), None)
            if alias is not None:
                found[role] = free.pop(alias)
    return found


def _plain(name: str) -> str:
    return _NOTHING.sub(" ", name).strip().casefold()


def _listed(names: Iterable[str]) -> str:
    shown = [name[:40] for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
