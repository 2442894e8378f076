"""The first schema: knowledge, imported history, the conversation log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key(name: str, *, nullable: bool = False) -> sa.Column[str]:
    kind = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=nullable)


def _serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _string(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _real(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _references(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.{column}"], name=f"fk_{table}_{column}_{other}")


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def upgrade() -> None:
    _create_knowledge()
    _create_history()
    _create_log()
    _create_feedback()


def _create_knowledge() -> None:
    op.create_table(
        "pairs",
        _key("pair_id"),
        _text("question"),
        _text("answer"),
        _string("topic"),
        _string("locale"),
        _text("source"),
        _string("status"),
        _string("question_hash"),
        _string("answer_hash"),
        _string("content_hash"),
        _time("created_at"),
        _time("updated_at"),
        _primary("pairs", "pair_id"),
    )
    _index("pairs", "question_hash", "locale")
    _index("pairs", "answer_hash", "locale")
    op.create_table(
        "phrasings",
        _key("pair_id"),
        _integer("position"),
        _text("text"),
        _string("text_hash"),
        _string("origin"),
        _primary("phrasings", "pair_id", "position"),
        _references("phrasings", "pair_id", "pairs"),
        _unique("phrasings", "pair_id", "text_hash"),
    )
    _index("phrasings", "text_hash")
    op.create_table(
        "knowledge_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        _string("corpus_hash"),
        _integer("pair_count"),
        _time("created_at"),
        _primary("knowledge_versions", "version"),
    )


def _create_history() -> None:
    op.create_table(
        "imports",
        _serial("import_id"),
        _text("path"),
        _string("file_hash"),
        _json("counts"),
        _time("started_at"),
        _time("finished_at"),
        _primary("imports", "import_id"),
    )
    _index("imports", "file_hash")
    op.create_table(
        "history_conversations",
        _key("conversation_key"),
        _string("content_hash"),
        _text("source"),
        _time("created_at"),
        _primary("history_conversations", "conversation_key"),
    )
    op.create_table(
        "history_turns",
        _serial("history_turn_id"),
        _key("conversation_key"),
        _integer("position"),
        _string("role"),
        _text("text"),
        _key("pair_id", nullable=True),
        _primary("history_turns", "history_turn_id"),
        _references("history_turns", "conversation_key", "history_conversations"),
        _unique("history_turns", "conversation_key", "position"),
    )
    _index("history_turns", "pair_id")


def _create_log() -> None:
    op.create_table(
        "conversations",
        _key("conversation_id"),
        _string("channel"),
        _string("locale"),
        _time("created_at"),
        _primary("conversations", "conversation_id"),
    )
    op.create_table(
        "clears",
        _serial("clear_id"),
        _key("conversation_id"),
        _integer("last_ordinal"),
        _time("created_at"),
        _primary("clears", "clear_id"),
        _references("clears", "conversation_id", "conversations"),
    )
    _index("clears", "conversation_id")
    op.create_table(
        "turns",
        _key("turn_id"),
        _key("conversation_id"),
        _integer("ordinal"),
        _text("question"),
        _string("outcome"),
        _real("confidence"),
        _json("reply"),
        _real("latency_ms"),
        _time("created_at"),
        _primary("turns", "turn_id"),
        _references("turns", "conversation_id", "conversations"),
        _unique("turns", "conversation_id", "ordinal"),
    )
    _index("turns", "created_at", "turn_id")
    op.create_table(
        "impressions",
        _key("turn_id"),
        _string("role"),
        _integer("rank"),
        _key("pair_id"),
        _real("similarity"),
        _real("relevance"),
        _real("propensity"),
        _primary("impressions", "turn_id", "role", "rank"),
        _references("impressions", "turn_id", "turns"),
    )
    _index("impressions", "pair_id")


def _create_feedback() -> None:
    op.create_table(
        "votes",
        _serial("vote_id"),
        _key("turn_id"),
        _integer("value"),
        _string("reason", nullable=True),
        _text("comment"),
        _time("created_at"),
        _primary("votes", "vote_id"),
        _references("votes", "turn_id", "turns"),
    )
    _index("votes", "turn_id")
    op.create_table(
        "clicks",
        _serial("click_id"),
        _key("turn_id"),
        _key("pair_id"),
        _string("role"),
        _time("created_at"),
        _primary("clicks", "click_id"),
        _references("clicks", "turn_id", "turns"),
    )
    _index("clicks", "turn_id")
    op.create_table(
        "hand_overs",
        _key("hand_over_id"),
        _key("conversation_id"),
        _text("reason"),
        _text("contact"),
        _json("transcript"),
        _time("created_at"),
        _primary("hand_overs", "hand_over_id"),
        _references("hand_overs", "conversation_id", "conversations"),
    )
    _index("hand_overs", "conversation_id")
    op.create_table(
        "idempotency_keys",
        _key("scope"),
        _key("key"),
        _string("request_hash"),
        _text("response", nullable=True),
        _time("claimed_at"),
        _time("completed_at", nullable=True),
        _primary("idempotency_keys", "scope", "key"),
    )


def downgrade() -> None:
    for table in (
        "idempotency_keys",
        "hand_overs",
        "clicks",
        "votes",
        "impressions",
        "turns",
        "clears",
        "conversations",
        "history_turns",
        "history_conversations",
        "imports",
        "knowledge_versions",
        "phrasings",
        "pairs",
    ):
        op.drop_table(table)
