"""Run by alembic: migrates over the connection that the store hands in."""

from alembic import context

import redmine_mailbridge.store.admin
import redmine_mailbridge.store.answered
import redmine_mailbridge.store.health
import redmine_mailbridge.store.oauth
import redmine_mailbridge.store.results
import redmine_mailbridge.store.tasks  # noqa: F401 - their tables, and those that they import
from redmine_mailbridge.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
