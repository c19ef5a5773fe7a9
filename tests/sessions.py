"""What happens to those who hold a session of PostgreSQL."""

from sqlalchemy import create_engine, text

from aufruf.errors import AufrufError


def dropped(url: str) -> None:
    """Every session of the database but this one is ended, as by a restart."""
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        admin.execute(text(f"{ended} AND pid <> pg_backend_pid()"))


def waited_for(url: str) -> bool:
    """Whether a session waits for an advisory lock of this database."""
    waiting = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database AND d.datname = current_database()"
    with create_engine(url).connect() as admin:
        return admin.execute(text(f"{waiting} WHERE locktype = 'advisory' AND NOT granted")).scalar() is not None


def unreachable(*_: object) -> None:
    """In place of connecting."""
    raise AufrufError("the studies cannot be reached", next="Start PostgreSQL.")
