"""Brings a service's tables to its newest revision, under a lock, so that many processes may start at once."""

import zlib
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

ENVIRONMENT = Path(__file__).parent / "alembic"


@dataclass(frozen=True)
class Migrations:
    """The history of one service's tables: a folder of revisions and the tables that they end at."""

    service: str
    folder: Path
    metadata: MetaData

    async def upgrade(self, engine: AsyncEngine) -> None:
        """Apply what is missing, in one transaction that also is the lock (SQLite) or holds it (PostgreSQL)."""
        async with engine.begin() as connection:
            await connection.run_sync(self._upgrade)

    async def current(self, engine: AsyncEngine) -> str | None:
        """The revision that the database is at, None before the first."""
        async with engine.connect() as connection:
            return await connection.run_sync(lambda c: self._context(c).get_current_revision())

    async def differences(self, engine: AsyncEngine) -> list[object]:
        """What the tables in code have that the database does not, or the other way round; empty when they agree."""
        async with engine.connect() as connection:
            return await connection.run_sync(lambda c: list(compare_metadata(self._context(c), self.metadata)))

    def newest(self) -> str | None:
        """The revision that the code wants."""
        return ScriptDirectory.from_config(self._config(None)).get_current_head()

    def write_revision(self, connection: Connection, message: str) -> None:
        """Write the next revision's file from the difference between database and tables (for developers)."""
        command.revision(self._config(connection), message, autogenerate=True)

    def _upgrade(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(self.service.encode())})
        command.upgrade(self._config(connection), "head")

    def _context(self, connection: Connection) -> MigrationContext:
        tables = self.metadata.tables
        return MigrationContext.configure(
            connection,
            opts={
                "version_table": f"alembic_version_{self.service}",
                "compare_type": True,
                "include_name": lambda name, kind, parents: kind != "table" or name in tables,
            },
        )

    def _config(self, connection: Connection | None) -> Config:
        config = Config()
        config.set_main_option("script_location", str(ENVIRONMENT))
        config.set_main_option("version_locations", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, service=self.service, metadata=self.metadata)
        return config
