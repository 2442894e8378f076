"""Runs the steps on the connection that `kb.database.migrate` opened, in its transaction."""

from alembic import context

from kb.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
