"""The versions of the schema, as Alembic steps; run by `kb.database.migrate`."""
