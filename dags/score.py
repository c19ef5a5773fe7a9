"""The champion reads every text that it has not read yet, and says why it decided as it did.

Runs when new posts are stored, when the champion changes - in the MLflow UI too, whose webhook says so within
seconds - and at `[schedule] score` of the classifier file, which makes up for a webhook that was lost. No parameters.

* `champion` fails when the version under the alias is not what was registered; the one before it then goes on.
* `score` classifies once per text and model version, a task a shard (at most 100), newest texts first; as many at
  once as the pool `gpu` has slots. While there is no champion it skips and says so.
* `explain` finds the words that spoke for a decision, for a sample of the decisions.
* `report` writes the page to read, cite and download from, prevalence above all: also where `explain` failed.
* `done` does nothing. It is as good as the worst of the two, so a run without explanations counts as failed.

**When it fails.** The failed task's log ends with what went wrong and what to do. Running it again (*Clear*) is
safe: what was scored stays, the rest follows. A shard that fails holds back no other shard, only what comes behind
`score`.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule

from aufruf_airflow import assets
from aufruf_airflow.classifiers import cron, working
from aufruf_airflow.score import score
from aufruf_airflow.task import common, end, step, take, verb


def build(classifier):
    name = classifier.name
    arrival = assets.POSTS | assets.champion(name)
    schedule = AssetOrTimeSchedule(timetable=cron(classifier, "score"), assets=arrival)
    with DAG(f"{name}.score", schedule=schedule, **common(__doc__, name)):

        @step(gpu=True, hours=6)
        def explain(scored):
            """Find the words that spoke for a decision, for a sample of the decisions."""
            return take("explain", name, scored_by=scored["model_version"])

        @step(trigger_rule="all_done_min_one_success")
        def report(scored):
            """Write the page that people read."""
            return take("report", name, scored_by=scored["model_version"])

        verb("champion", name, waits=True)
        scored = score(classifier)
        explained, page = explain(scored), report(scored)  # of the version that has scored, whoever is champion by then
        explained >> page
        [explained, page] >> end()


for classifier in working():
    build(classifier)
