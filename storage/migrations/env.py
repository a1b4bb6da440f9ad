"""Run by alembic, on the connection and in the transaction that `storage.migrations.run` hands over."""

from alembic import context

from storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
