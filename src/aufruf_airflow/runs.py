"""What Airflow knows of a classifier's runs, for its page. Asked inside the API server only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from aufruf_airflow.notes import plain

_DAYS, _MOST = 14, 40


def troubled(classifier: str, verb: str, root: str = "") -> list[dict[str, Any]]:
    """The runs of ``<classifier>.<verb>`` of two weeks that failed or go on; what the others did is in the lake.

    Each: verb, state, at, note (what its note says), address (of its page, below ``root``).
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    dag_id, since = f"{classifier}.{verb}", datetime.now(UTC) - timedelta(days=_DAYS)
    asked = (
        select(DagRun)
        .where(DagRun.dag_id == dag_id, DagRun.state.in_(["failed", "running"]), DagRun.start_date > since)
        .order_by(DagRun.start_date.desc())
        .limit(_MOST)
    )
    with create_session() as session:
        return [
            {
                "verb": dag_id,
                "state": str(run.state),
                "at": (run.state == "failed" and run.end_date) or run.start_date,
                "note": plain(run.note or ""),
                "address": f"{root}/dags/{quote(dag_id)}/runs/{quote(run.run_id)}",
            }
            for run in session.scalars(asked)
        ]
