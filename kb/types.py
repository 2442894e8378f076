"""The records that pass between the stages, and the protocol of the encoder.

Arrays are float32 and named with their shapes; every cosine is of L2-normalised vectors. Times are aware UTC datetimes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Outcome = Literal["answered", "clarifying", "abstained", "handed_over"]
EntryRole = Literal["question", "phrasing", "answer"]
ImpressionRole = Literal["response", "follow_up", "option"]
VoteReason = Literal["wrong", "not_my_question", "out_of_date", "unclear", "other"]

ZERO_SHOT = "zero-shot"
"""Stands for the id of a checkpoint where nothing was trained."""


class Encoder(Protocol):
    """Turns texts into vectors; the one owner of normalisation."""

    @property
    def encoder_id(self) -> str:
        """Name and weights hash: vectors of two encoders with one id are interchangeable."""

    @property
    def dimension(self) -> int:
        """Length d of a vector."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return one L2-normalised row per text, in the order given: (n, d) float32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QAPair:
    """One answered question; `phrasings` are other ways of asking it, without the question itself."""

    pair_id: str
    question: str
    answer: str
    topic: str = ""
    locale: str = "en"
    source: str = ""
    content_hash: str = ""
    phrasings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """How often customers asked `to_pair` right after `from_pair`."""

    from_pair: str
    to_pair: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What an answer came from; the same snapshot gives the same figures in a test and in production.

    `settings` is a hash of what the bot was configured with besides; empty where nobody recorded it.
    """

    checkpoint: str
    index: str
    knowledge_version: str
    settings: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A pair found for a question.

    `phrasing` is the indexed text of the pair nearest to the question, `role` what that text is, `similarity` their
    cosine; `answer_similarity` is the cosine with the pair's answer, `lexical` the BM25 of the pair's best text,
    `evidence` the fused ranking value of the retriever (comparable within one question only). `phrasings` are the other
    ways of asking, and `passages` those of its answer, that are nearest to the question, best first: what the matcher
    reads of a pair besides its question.
    """

    pair: QAPair
    phrasing: str
    role: EntryRole
    similarity: float
    answer_similarity: float
    lexical: float
    evidence: float
    phrasings: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieved:
    """What the retriever found: candidates best first, the question's vector (d,), the candidates' vectors (n, d).

    `rules` names those that kept out a better candidate than all that are left.
    """

    question: str
    candidates: tuple[Candidate, ...]
    question_vector: FloatArray
    vectors: FloatArray
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A candidate with its relevance in 0..1; similarity is kept. `rule` names what put it where it is."""

    candidate: Candidate
    relevance: float
    rule: str = ""

    @property
    def pair(self) -> QAPair:
        """The matched pair."""
        return self.candidate.pair

    @property
    def similarity(self) -> float:
        """Cosine of the question with the pair's nearest text."""
        return self.candidate.similarity


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What is known besides the question: ids and time minted by the caller, and the conversation so far, oldest first.

    `clicked`: the question was chosen among those shown, and not typed. `earlier` are pairs that the customer asked in
    other conversations, oldest first: given only where they agreed to it.
    """

    turn_id: str = ""
    conversation_id: str = ""
    locale: str = ""
    history: "tuple[Turn, ...]" = ()
    asked_at: datetime | None = None
    clicked: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One answer as shown; `answer` is the pair's Markdown, verbatim.

    `part` is what it answers of a message that asked several things; empty where it answers the whole.
    """

    pair_id: str
    question: str
    answer: str
    topic: str
    source: str
    matched: str
    similarity: float
    relevance: float
    rank: int
    part: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUp:
    """A question offered next; `propensity` is the probability with which this pair was shown at this rank.

    `chances` are those of all pairs that could have been shown here, given what stands before it; they sum to 1, and
    are empty where nothing was drawn.
    """

    pair_id: str
    question: str
    similarity: float
    relevance: float
    rank: int
    propensity: float = 1.0
    chances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerUp:
    """A candidate that was not shown, and why."""

    pair_id: str
    question: str
    similarity: float
    relevance: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What the bot was told besides the question, as a replay needs it.

    `history` are ids of turns, oldest first; `asked_at` is a time in ISO 8601, empty where none was told.
    """

    locale: str = ""
    history: tuple[str, ...] = ()
    asked_at: str = ""
    clicked: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Which arm of an experiment answered: A, B, or mixed, where the suggestions are of both.

    `share` is that of conversations in arm B; `teams` tells, by rank, which arm each suggestion of a mixed list is of.
    """

    name: str
    arm: str
    share: float
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why this reply: the question as understood, the features and threshold behind the decision, who lost and why.

    `told` is None in the record of a turn from before it was kept. `context` says what was taken from which earlier
    turn to understand it; it is empty where nothing was. `rules` names the business rules that took part; `hand_over`
    is the reason for which the conversation goes to a person now, such as asked, no_answer or the reason of a rule;
    empty where it doesn't, or has gone for it before. `experiment` is None where none runs.
    """

    understood: str
    reason: str
    threshold: float
    features: Mapping[str, float] = field(default_factory=dict)
    runners_up: tuple[RunnerUp, ...] = ()
    told: Told | None = None
    context: str = ""
    rules: tuple[str, ...] = ()
    hand_over: str = ""
    experiment: Assignment | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the bot says: `message` is its own sentence, mostly empty when it answers.

    Small talk is answered with a message and no responses. `offers_person`: a person is offered beside the answer.
    """

    turn_id: str
    outcome: Outcome
    message: str
    responses: tuple[Response, ...]
    follow_ups: tuple[FollowUp, ...]
    confidence: float
    explanation: Explanation
    snapshot: Snapshot
    offers_person: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One logged exchange; `reply` is the JSON form of the Reply, as it was sent."""

    turn_id: str
    conversation_id: str
    ordinal: int
    question: str
    outcome: Outcome
    confidence: float
    reply: Mapping[str, Any]
    created_at: datetime
    latency_ms: float = 0.0
    vote: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Impression:
    """One pair shown in one turn, clicked or not; rank from 1, propensity in (0, 1]."""

    turn_id: str
    pair_id: str
    role: ImpressionRole
    rank: int
    similarity: float
    relevance: float
    propensity: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """A customer's judgement of one turn: value 1, -1 or 0 (taken back). Append-only: the newest one counts."""

    turn_id: str
    value: int
    reason: VoteReason | None
    comment: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A follow-up or option that the customer chose; `turn_id` is the turn that showed it."""

    turn_id: str
    pair_id: str
    role: ImpressionRole
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOver:
    """A conversation passed to a person, with the transcript as it stood."""

    hand_over_id: str
    conversation_id: str
    reason: str
    contact: str
    transcript: tuple[Mapping[str, Any], ...]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened and is to be told to another system: one row of the outbox, for one channel.

    `event_id` is the same each time that it is sent: the receiver knows by it what it has already.
    """

    outbox_id: int
    event: str
    event_id: str
    channel: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime
