"""Operators, their sessions and verdicts, turns under review, and the audit of what operators did."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def key() -> sa.String:
        return sa.String().with_variant(sa.String(collation="C"), "postgresql")

    def serial() -> sa.BigInteger:
        return sa.BigInteger().with_variant(sa.Integer(), "sqlite")

    def time() -> sa.DateTime:
        return sa.DateTime(timezone=True)

    op.create_table(
        "operators",
        sa.Column("operator_id", key(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", time(), nullable=True),
        sa.Column("created_at", time(), nullable=False),
        sa.Column("removed_at", time(), nullable=True),
        sa.PrimaryKeyConstraint("operator_id", name="pk_operators"),
    )
    op.create_table(
        "operator_sessions",
        sa.Column("token_hash", key(), nullable=False),
        sa.Column("operator_id", key(), nullable=False),
        sa.Column("created_at", time(), nullable=False),
        sa.Column("seen_at", time(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_operator_sessions"),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.operator_id"], name="fk_operator_sessions_operator_id_operators"
        ),
    )
    op.create_index("ix_operator_sessions_operator_id", "operator_sessions", ["operator_id"])
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", serial(), nullable=False),
        sa.Column("turn_id", key(), nullable=False),
        sa.Column("operator_id", key(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("pair_id", key(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", time(), nullable=False),
        sa.PrimaryKeyConstraint("verdict_id", name="pk_verdicts"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.turn_id"], name="fk_verdicts_turn_id_turns"),
    )
    op.create_index("ix_verdicts_turn_id", "verdicts", ["turn_id"])
    op.create_table(
        "reviews",
        sa.Column("turn_id", key(), nullable=False),
        sa.Column("operator_id", key(), nullable=False),
        sa.Column("until", time(), nullable=False),
        sa.PrimaryKeyConstraint("turn_id", name="pk_reviews"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.turn_id"], name="fk_reviews_turn_id_turns"),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", serial(), nullable=False),
        sa.Column("at", time(), nullable=False),
        sa.Column("operator_id", key(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit"),
        sa.UniqueConstraint("previous", name="uq_audit_previous"),
    )


def downgrade() -> None:
    for table in ("audit", "reviews", "verdicts", "operator_sessions", "operators"):
        op.drop_table(table)
