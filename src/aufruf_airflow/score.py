"""The scoring as tasks: one opens it, one task a shard is mapped over what is missing, one closes it."""

from typing import Any

from airflow.sdk import TaskGroup

from aufruf.classifier import Classifier
from aufruf_airflow.task import step, take

_NONE = {"since": "1970-01-01", "before": "1970-01-01", "low": "", "high": "", "texts": 0}  # a shard without texts


def score(classifier: Classifier) -> Any:
    """The group ``score`` of a score DAG; what its last task returns, the version and counts.

    The executor is what spreads the shards over workers and machines; XCom holds their bounds and counts. A shard that
    fails is tried again, and scores what is still missing of it.
    """
    name = classifier.name

    @step(gpu=True, waits=True)
    def opened(ti: Any = None) -> list[dict[str, Any]]:
        """Resolve the champion, once for all shards, and cut what it has not classified yet; newest texts first."""
        run = take("score.opened", name, None)
        shards = run.pop("shards")
        ti.xcom_push("run", run)
        return shards or [_NONE]  # at least one: a task mapped to none is skipped, and so is all that follows

    @step(gpu=True, hours=12, doc_md="Classify what is missing of one shard, and publish it.")
    def shard(bounds: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
        return take("score.shard", name, None, run=run, bounds=bounds)

    @step()
    def closed(run: dict[str, Any]) -> dict[str, Any]:
        """Count what was published."""
        return take("score.closed", name, None, run=run)

    with TaskGroup("score"):
        shards = opened()
        run = shards["run"]
        shard.partial(run=run).expand(bounds=shards) >> (scored := closed(run))
    return scored
