"""Alembic's environment: migrates on the connection it is given, inside the caller's transaction."""

from alembic import context

from rig_capture.delivery.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
