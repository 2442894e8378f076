"""What the log knows of suggestions: impressions of follow-ups, clicked or not, after the pair that was answered."""

from collections.abc import Iterable, Mapping
from typing import Any

from kb.retriever import Retriever
from models.clicks import Catalogue, Shown

_ROLE = "follow_up"


def shown_in(turns: Iterable[Mapping[str, Any]]) -> list[Shown]:
    """Return the suggestions of logged turns, as `ConversationLog.export` gives them.

    A turn without an answer suggests what may have been meant: it counts as after nothing.
    """
    found = []
    for turn in turns:
        clicked = {each["pair_id"] for each in turn["clicks"] if each["role"] == _ROLE}
        answered = [each["pair_id"] for each in turn["impressions"] if each["role"] == "response" and each["rank"] == 1]
        found += [
            Shown(
                conversation=turn["conversation"],
                after=answered[0] if answered else "",
                pair_id=each["pair_id"],
                rank=each["rank"],
                clicked=each["pair_id"] in clicked,
            )
            for each in turn["impressions"]
            if each["role"] == _ROLE
        ]
    return found


class _Vectors(Mapping[str, Any]):
    """Vectors of the questions of pairs, looked up as they are needed."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}

    def __getitem__(self, pair_id: str) -> Any:
        return self._retriever.question_vectors([self._row[pair_id]])[0]

    def __iter__(self) -> Any:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def catalogue_of(retriever: Retriever) -> Catalogue:
    """Return the pairs of a snapshot as the click model needs them."""
    return Catalogue(
        vectors=_Vectors(retriever),
        topics={pair.pair_id: pair.topic for pair in retriever.pairs},
        dimension=retriever.encoder.dimension,
    )
