"""Gives every mined pair its place among the pairs of the store: it is linked to one, added, or listed for the owner.

What is stored changes what is known: new pairs make words less rare, new phrasings answer more questions. So this goes
round by round, each with what is stored by then, until a round stores nothing. What is left then would be left by the
same import again, which therefore changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kb.importers.linking import AnswerLinker, Link
from kb.importers.mining import MinedPair
from kb.importers.reading import ImportFile
from kb.importers.records import Reject
from kb.store import DuplicatePolicy, KnowledgeStore, UpsertedPair
from kb.types import QAPair

NEAR = "near a known answer, but not certainly the same: look at it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mined:
    """What was mined, the pair that it would be, and the file that counts it."""

    found: MinedPair
    pair: QAPair
    file: ImportFile


class Settling:
    """Settles the mined pairs in the open transaction of a store."""

    def __init__(self, unit: KnowledgeStore, policy: DuplicatePolicy) -> None:
        """Take the store, with the pairs of the import's own files in it, and the policy for conflicts."""
        self._unit = unit
        self._policy = policy
        # Beside a knowledge base that somebody wrote only what is surely new is added; without one everything is.
        self._careful = unit.count() > 0
        self._pair_of_group: dict[int, str] = {}

    def settle(self, mined: Iterable[Mined]) -> Mapping[int, str]:
        """Store the mined pairs and count each; return the pair id that each went to, by its group."""
        waiting = [(each, Link(verdict="near", pair_id="", telling=False)) for each in mined]
        stored = bool(waiting)
        while stored:
            before = len(waiting)
            waiting = self._round([each for each, _ in waiting])
            stored = len(waiting) < before
        for each, link in waiting:
            if link.verdict == "same":
                self._pair_of_group[each.found.group] = link.pair_id
                each.file.outcomes["unchanged"] += 1
            else:
                each.file.reject(_near(each, link))
        return self._pair_of_group

    def _round(self, waiting: Iterable[Mined]) -> list[tuple[Mined, Link]]:
        """Store what is certain by what is known now; return the others."""
        linker = AnswerLinker(self._unit.pairs())
        phrasings: dict[str, list[Mined]] = defaultdict(list)
        new: list[Mined] = []
        left: list[tuple[Mined, Link]] = []
        for each in waiting:
            link = linker.link(each.pair)
            if link.verdict == "same" and link.pair_id and link.telling:
                phrasings[link.pair_id].append(each)
            elif link.verdict == "same" or (link.verdict == "near" and self._careful):
                # The pair that says the same may be one of this round, without an id until the next one.
                left.append((each, link))
            else:
                new.append(each)
                linker.add(each.pair)
        self._add(new)
        self._phrase(phrasings)
        return left

    def _add(self, new: list[Mined]) -> None:
        def settled(result: UpsertedPair) -> None:
            each = new[result.position]
            each.file.settle(result.outcome, conflict(result, each.found.line, each.pair))
            self._pair_of_group[each.found.group] = result.pair_id

        self._unit.upsert((each.pair for each in new), policy=self._policy, on_pair=settled)

    def _phrase(self, mined_of: Mapping[str, list[Mined]]) -> None:
        """Give pairs the questions that were linked to them; nothing else of a pair changes."""
        linked = [pair for pair in self._unit.pairs() if pair.pair_id in mined_of] if mined_of else []
        asked = (replace(pair, phrasings=tuple(_wordings(mined_of[pair.pair_id]))) for pair in linked)
        self._unit.upsert(asked)
        for pair_id, mined in mined_of.items():
            for each in mined:
                each.file.outcomes["merged"] += 1
                self._pair_of_group[each.found.group] = pair_id


def conflict(result: UpsertedPair, line: int, pair: QAPair) -> Reject:
    """Return the row of the list of rejects for a pair that conflicts with what is known."""
    reason = f"conflicting: this question is known with another answer, in the pair {result.pair_id}"
    return Reject(line=line, reason=reason, original=f"{pair.question} | {pair.answer}")


def _near(mined: Mined, link: Link) -> Reject:
    reason = f"{NEAR}, beside the pair {link.pair_id}" if link.pair_id else NEAR
    return Reject(line=mined.found.line, reason=reason, original=f"{mined.pair.question} | {mined.pair.answer}")


def _wordings(mined: Iterable[Mined]) -> Iterable[str]:
    for each in mined:
        yield from (each.pair.question, *each.pair.phrasings)
