"""Conditions on columns as SQL writes them, for the store."""

from collections.abc import Mapping
from typing import Any

_LONG_LIST = 500  # values in one SQL list


def split_lists(where: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Conditions for SQL, and lists too long for it, which are matched afterwards."""
    short: dict[str, Any] = {}
    long: dict[str, list[str]] = {}
    for column, value in (where or {}).items():
        values = [value] if isinstance(value, str) else list(value)
        if len(values) > _LONG_LIST:
            long[column] = values
        else:
            short[column] = values
    return short, long


def where_clause(conditions: Mapping[str, Any], long: Mapping[str, list[str]] | None = None) -> str:
    """The conditions as SQL; of a long list only its ends, which tell what files need not be read."""
    parts = []
    for column, value in conditions.items():
        listed = ", ".join(map(quoted, [value] if isinstance(value, str) else value))
        parts.append(f"{column} in ({listed})" if listed else "false")
    for column, values in (long or {}).items():
        parts.append(f"{column} >= {quoted(min(values))} and {column} <= {quoted(max(values))}")
    return f"where {' and '.join(parts)}" if parts else ""


def quoted(value: str) -> str:
    """A value as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"
