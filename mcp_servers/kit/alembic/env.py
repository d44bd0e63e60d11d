"""The one Alembic environment of all services: the caller passes connection, tables and the version table's name."""

from alembic import context

attributes = context.config.attributes
metadata = attributes["metadata"]


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Tells Alembic to leave tables alone that another service may keep in the same database."""
    return kind != "table" or name in metadata.tables


context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    version_table=f"alembic_version_{attributes['service']}",
    render_as_batch=True,
    compare_type=True,
    include_name=is_ours,
)
with context.begin_transaction():
    context.run_migrations()
