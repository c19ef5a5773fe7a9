"""The night of the embedded stack, unchanged, in the parts of a cluster: PostgreSQL, Redis, S3, two workers."""

from tests.cluster.conftest import NAME, System
from tests.cluster.natively import until

from aufruf.release.registry import CHAMPION


def test_the_whole_night(system: System) -> None:
    """Files of the inbox become labels, a champion, and one prediction per text, on S3 and in PostgreSQL."""
    for kind in ("annotations", "posts"):
        for path in sorted((system.exports / kind).iterdir()):
            system.drop(kind, path.name, path.read_text("utf-8"))
    until("the ingest", lambda: [run for run in system.runs("ingest") if run["state"] == "success"])
    assert system.store.count("labels") > 100
    run = system.airflow.trigger(f"{NAME}.train")
    states = system.ended(f"{NAME}.train", run)
    assert set(states.values()) <= {"success", "skipped"}, states
    until("the champion", lambda: system.registry.by_alias(CHAMPION))
    until(
        "the scoring",
        lambda: any(one["state"] == "success" for one in system.runs(f"{NAME}.score")) and not system.unscored(),
    )
    assert list((system.settings.reports / NAME).glob("*/index.html"))
