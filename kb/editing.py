"""Edits of the knowledge base by operators: each one in a transaction with its entry in the audit.

What an operator edits must still be as they saw it: who comes second is told so, and nothing is lost.
"""

from dataclasses import replace

from kb.errors import ConflictError, InputError, describe
from kb.store import KnowledgeStore
from kb.types import QAPair
from kb.upsert import DuplicatePolicy


def add_phrasing(store: KnowledgeStore, pair_id: str, text: str, operator_id: str) -> bool:
    """Give a pair another way of asking it; return whether it didn't have it.

    Raises:
        NotFoundError: no active pair has this id.
        InputError: there is nothing to read in the text.
        StorageError: nothing is stored.
    """
    if not text.strip():
        raise InputError(describe(expected="a way of asking", got="nothing to read", remedy="write one"))
    with store.transaction() as unit:
        changed = bool(unit.upsert([replace(unit.get(pair_id), phrasings=(text,))]).updated)
        if changed:
            unit.note(operator_id, "phrasing added", pair_id, {"text": text})
        return changed


def add_pair(store: KnowledgeStore, pair: QAPair, operator_id: str) -> str:
    """Add a pair, and return the id that it gets from its content.

    Raises:
        InputError: it has no question or no answer.
        ConflictError: its question is known with another answer.
        StorageError: nothing is stored.
    """
    found: list[str] = []
    with store.transaction() as unit:
        counts = unit.upsert(
            [replace(pair, pair_id="")],
            policy=DuplicatePolicy.KEEP,
            on_pair=lambda each: found.append(each.pair_id),
        )
        if counts.conflicting:
            raise ConflictError(
                describe(
                    expected="a question that no other pair answers",
                    got=repr(pair.question),
                    remedy=f"change the answer of {found[0]}, or ask in other words",
                )
            )
        unit.note(operator_id, "pair added", found[0], {"question": pair.question})
        return found[0]


def change_pair(store: KnowledgeStore, pair: QAPair, operator_id: str) -> None:
    """Change a pair, but for its phrasings; `content_hash` is that of the pair as it was seen.

    A topic or source that is left empty stays as it was.

    Raises:
        NotFoundError: no active pair has this id.
        InputError: it has no question or no answer any more.
        ConflictError: somebody changed it since.
        StorageError: nothing is stored.
    """
    with store.transaction() as unit:
        known = unit.get(pair.pair_id)
        if known.content_hash != pair.content_hash:
            raise ConflictError(
                describe(
                    expected=f"{pair.pair_id} as it was when you opened it",
                    got="a pair that somebody changed since",
                    remedy="open it again, and make your change there",
                )
            )
        unit.upsert([replace(pair, phrasings=())])
        now = unit.get(pair.pair_id)
        changed = [
            name for name in ("question", "answer", "topic", "source") if getattr(now, name) != getattr(known, name)
        ]
        unit.note(operator_id, "pair changed", pair.pair_id, {"fields": changed})


def retire_pair(store: KnowledgeStore, pair_id: str, operator_id: str) -> None:
    """Take a pair out of the active knowledge.

    Raises:
        NotFoundError: no active pair has this id.
        StorageError: nothing is stored.
    """
    with store.transaction() as unit:
        unit.get(pair_id)
        unit.retire([pair_id])
        unit.note(operator_id, "pair retired", pair_id)
