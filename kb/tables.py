"""The tables, as typed rows: the only ORM file. `docs/data-model.md` tells what each is for.

Ids of pairs, conversations and turns are text; times are aware UTC. Tables of the log are append-only, and name pairs
without a foreign key: what was shown stays on record, whatever becomes of the pair.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACTIVE = "active"
RETIRED = "retired"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; SQLite has no type with a time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC, without its zone for SQLite; ValueError where it has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected an aware datetime; got {value!r}; give it a time zone")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# PostgreSQL would sort by the rules of a language; SQLite and Python sort by code points, and so do we.
Key = String().with_variant(String(collation="C"), "postgresql")
Serial = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """All tables; constraints have names, so that a migration can change them on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class PairRow(Base):
    """One answered question."""

    __tablename__ = "pairs"
    __table_args__ = (Index(None, "question_hash", "locale"), Index(None, "answer_hash", "locale"))

    pair_id: Mapped[str] = mapped_column(Key, primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    topic: Mapped[str] = mapped_column(String)
    locale: Mapped[str] = mapped_column(String)
    source: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String)
    question_hash: Mapped[str] = mapped_column(String)
    answer_hash: Mapped[str] = mapped_column(String)
    content_hash: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PhrasingRow(Base):
    """Another way of asking a pair's question."""

    __tablename__ = "phrasings"
    __table_args__ = (UniqueConstraint("pair_id", "text_hash"),)

    pair_id: Mapped[str] = mapped_column(ForeignKey("pairs.pair_id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    text_hash: Mapped[str] = mapped_column(String, index=True)
    origin: Mapped[str] = mapped_column(String)


class KnowledgeVersionRow(Base):
    """One state of the active knowledge."""

    __tablename__ = "knowledge_versions"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    corpus_hash: Mapped[str] = mapped_column(String)
    pair_count: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ImportRow(Base):
    """One run of an import over one file."""

    __tablename__ = "imports"

    import_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    file_hash: Mapped[str] = mapped_column(String, index=True)
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HistoryConversationRow(Base):
    """One imported conversation between a customer and an agent."""

    __tablename__ = "history_conversations"

    conversation_key: Mapped[str] = mapped_column(Key, primary_key=True)
    content_hash: Mapped[str] = mapped_column(String)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HistoryTurnRow(Base):
    """One utterance of an imported conversation."""

    __tablename__ = "history_turns"
    __table_args__ = (UniqueConstraint("conversation_key", "position"),)

    history_turn_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    conversation_key: Mapped[str] = mapped_column(ForeignKey("history_conversations.conversation_key"))
    position: Mapped[int] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(String)
    text: Mapped[str] = mapped_column(Text)
    pair_id: Mapped[str | None] = mapped_column(Key, index=True)


class ConversationRow(Base):
    """One conversation of a customer with the bot."""

    __tablename__ = "conversations"

    conversation_id: Mapped[str] = mapped_column(Key, primary_key=True)
    channel: Mapped[str] = mapped_column(String)
    locale: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ClearRow(Base):
    """A customer's wish to see nothing of the conversation up to a turn; the turns stay."""

    __tablename__ = "clears"

    clear_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.conversation_id"), index=True)
    last_ordinal: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TurnRow(Base):
    """One question and the reply to it."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("conversation_id", "ordinal"), Index(None, "created_at", "turn_id"))

    turn_id: Mapped[str] = mapped_column(Key, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.conversation_id"))
    ordinal: Mapped[int] = mapped_column(Integer)
    question: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String)
    confidence: Mapped[float] = mapped_column()
    reply: Mapped[dict[str, Any]] = mapped_column(JSON)
    latency_ms: Mapped[float] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ImpressionRow(Base):
    """One pair shown in one turn."""

    __tablename__ = "impressions"

    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.turn_id"), primary_key=True)
    role: Mapped[str] = mapped_column(String, primary_key=True)
    rank: Mapped[int] = mapped_column(Integer, primary_key=True)
    pair_id: Mapped[str] = mapped_column(Key, index=True)
    similarity: Mapped[float] = mapped_column()
    relevance: Mapped[float] = mapped_column()
    propensity: Mapped[float] = mapped_column()


class VoteRow(Base):
    """A customer's judgement of a turn; the one with the highest number counts."""

    __tablename__ = "votes"

    vote_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.turn_id"), index=True)
    value: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String)
    comment: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ClickRow(Base):
    """A customer's choice of a follow-up or option that a turn showed."""

    __tablename__ = "clicks"

    click_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.turn_id"), index=True)
    pair_id: Mapped[str] = mapped_column(Key)
    role: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HandOverRow(Base):
    """A conversation passed to a person, with the transcript as it stood."""

    __tablename__ = "hand_overs"

    hand_over_id: Mapped[str] = mapped_column(Key, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.conversation_id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    contact: Mapped[str] = mapped_column(Text)
    transcript: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKeyRow(Base):
    """A request that must take effect once; without a response while the first one works on it."""

    __tablename__ = "idempotency_keys"

    scope: Mapped[str] = mapped_column(Key, primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    request_hash: Mapped[str] = mapped_column(String)
    response: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OutboxRow(Base):
    """Something to be told to another system, until it was; one row a channel."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("event_id", "channel"), Index(None, "delivered_at", "next_at"))

    outbox_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    event: Mapped[str] = mapped_column(String)
    event_id: Mapped[str] = mapped_column(Key)
    channel: Mapped[str] = mapped_column(String)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OperatorRow(Base):
    """Who may use the console, and as what."""

    __tablename__ = "operators"

    operator_id: Mapped[str] = mapped_column(Key, primary_key=True)
    role: Mapped[str] = mapped_column(String)
    password_hash: Mapped[str] = mapped_column(String)
    failures: Mapped[int] = mapped_column(Integer)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OperatorSessionRow(Base):
    """A log-in that is still good."""

    __tablename__ = "operator_sessions"

    token_hash: Mapped[str] = mapped_column(Key, primary_key=True)
    operator_id: Mapped[str] = mapped_column(ForeignKey("operators.operator_id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class VerdictRow(Base):
    """An operator's judgement of a turn; the one with the highest number counts."""

    __tablename__ = "verdicts"

    verdict_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.turn_id"), index=True)
    operator_id: Mapped[str] = mapped_column(Key)
    value: Mapped[str] = mapped_column(String)
    pair_id: Mapped[str] = mapped_column(Key)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReviewRow(Base):
    """A turn that an operator is looking at, so that nobody else takes it."""

    __tablename__ = "reviews"

    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.turn_id"), primary_key=True)
    operator_id: Mapped[str] = mapped_column(Key)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditRow(Base):
    """Something that an operator did; each row holds the digest of the one before it."""

    __tablename__ = "audit"

    audit_id: Mapped[int] = mapped_column(Serial, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    operator_id: Mapped[str] = mapped_column(Key)
    action: Mapped[str] = mapped_column(String)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String, unique=True)
    digest: Mapped[str] = mapped_column(String)
