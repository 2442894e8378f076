"""A live comparison: arm B answers in a share of the conversations, or suggests beside A in one list.

The arm is drawn by a hash of the experiment's name and the conversation's id: a conversation stays in its arm, a replay
finds the same one, and another experiment draws anew. What was drawn is in the record of each turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from bot.interleaving import team_draft
from kb.text import text_hash
from kb.types import Assignment, FollowUp, Reply

MIXED = "mixed"
_HASH_DIGITS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """What arm B does otherwise than A, which does as the rest of the file says."""

    name: str = ""
    """Of the experiment; empty: none runs. Give it another one whenever something below changes."""
    mode: Literal["split", "interleave"] = "split"
    """`split`: arm B answers in a share of the conversations; `interleave`: suggestions of both in one list."""
    share: float = 0.5
    """Of conversations in arm B."""
    follow_ups: Mapping[str, Any] = field(default_factory=dict)
    """Keys of [follow_ups] with arm B's values."""
    selection: Mapping[str, Any] = field(default_factory=dict)
    """Keys of [selection] with arm B's values; answers are not interleaved."""


def assigned(config: ExperimentConfig, conversation_id: str) -> Assignment:
    """Return the arm of a conversation; without an id, as in evaluations, it is A."""
    if config.mode == "interleave":
        arm = MIXED
    else:
        arm = "B" if conversation_id and _uniform(config.name, conversation_id) < config.share else "A"
    return Assignment(name=config.name, arm=arm, share=config.share)


def drafted(
    assignment: Assignment, ours: Sequence[FollowUp], theirs: Sequence[FollowUp], turn_id: str
) -> tuple[tuple[FollowUp, ...], Assignment]:
    """Return the suggestions of both arms in one list, with their ranks and propensities in it, and whose each is."""
    found = {each.pair_id: each for each in (*theirs, *ours)}
    seed = int(text_hash(f"{assignment.name}\n{turn_id}")[:_HASH_DIGITS], 16)
    mixed = team_draft(
        [each.pair_id for each in ours],
        [each.pair_id for each in theirs],
        max(len(ours), len(theirs)),
        np.random.default_rng(seed),
    )
    follow_ups = tuple(
        replace(found[pair_id], rank=rank, propensity=propensity)
        for rank, (pair_id, propensity) in enumerate(zip(mixed.items, mixed.propensities, strict=True), start=1)
    )
    return follow_ups, replace(assignment, teams=mixed.teams)


def noted(reply: Reply, assignment: Assignment) -> Reply:
    """Return the reply with the arm in its record."""
    return replace(reply, explanation=replace(reply.explanation, experiment=assignment))


def _uniform(name: str, conversation_id: str) -> float:
    """Return a number in [0, 1) that is as good as random, and always the same for a name and an id."""
    return int(text_hash(f"{name}\n{conversation_id}")[:_HASH_DIGITS], 16) / float(16**_HASH_DIGITS)
