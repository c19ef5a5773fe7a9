"""What happens to those who hold a session of PostgreSQL."""

import time

from sqlalchemy import create_engine, text

from aufruf.errors import AufrufError


def dropped(url: str) -> None:
    """Every session of the database but this one is ended, as by a restart, and has let go what it held."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        while admin.execute(text(f"SELECT count(*) {others}")).scalar():
            time.sleep(0.02)


def ended_waiting(url: str) -> bool:
    """End the session that waits for an advisory lock of this database, and no other; False where none does."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
    waiting = "WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted"
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        return admin.execute(text(f"{ended} {waiting}")).scalar() is not None


def unreachable(*_: object) -> None:
    """In place of connecting."""
    raise AufrufError("the studies cannot be reached", next="Start PostgreSQL.")
