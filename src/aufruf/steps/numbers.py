"""Numbers of versions. The lake calls a version by its number, and a registry made anew counts from 1 again.

Whoever deletes or renames the registered model, or moves to another tracking server, would let a new model inherit what
the lake holds of an old one. So ``train`` gives no number that the lake knows of another run, and a version that has
one all the same does not speak.
"""

from aufruf.conditions import quoted
from aufruf.errors import BundleRefused
from aufruf.release.registry import Version
from aufruf.settings import Settings
from aufruf.store import Store


def taken(store: Store, classifier: str, run: str) -> set[str]:
    """Numbers that tables of the lake hold of the classifier, but for those of the run's own version."""
    mine = quoted(classifier)
    known: set[str] = set()
    for table, column in (("explanations", "model_version"), ("champions", "version"), ("decisions", "challenger")):
        known |= _values(store, f"select distinct {column} from {table} where classifier = {mine}", table)  # noqa: S608
    said = f"select distinct model_version from predictions where classifier = {mine}"  # noqa: S608 - quoted
    known |= _values(store, said, "predictions")
    return known - _values(store, f"{said} and run = {quoted(run)}", "predictions")


def check(settings: Settings, classifier: str, version: Version) -> None:
    """Raises BundleRefused when the lake holds answers of another model under the version's number."""
    sql = (
        f"select run from predictions where classifier = {quoted(classifier)} "  # noqa: S608 - quoted
        f"and model_version = {quoted(version.version)} and run <> {quoted(version.run_id)} limit 1"
    )
    if other := _values(Store(settings.lake), sql, "predictions"):
        raise BundleRefused(
            f"the lake holds answers of another model, of run {min(other)[:8]}, under number {version.version}",
            where=classifier,
            next=f"Delete version {version.version} in MLflow and run `aufruf train{settings.choosing(classifier)}`: "
            "it takes a number that is free.",
        )


def _values(store: Store, sql: str, table: str) -> set[str]:
    return {str(one) for batch in store.query(sql, table) for one in batch.column(0).to_pylist() if one}
