"""Run by alembic: migrates over the connection that the store hands in."""

from alembic import context

from redmine_mailbridge.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
