"""Every night a challenger is trained, measured on the frozen test set, and meets the champion.

**When it fails.** The failed task's log ends with what went wrong and what to do, and so does the note on the run.
Every task can be run again (*Clear*): splits are append-only, a sweep goes on with its study, and a trial from its
last checkpoint; the champion stays until a better one is proven.

Runs at the hour of `[schedule] train` in the classifier file; with `train_on_labels` also when labels were decided
anew. Parameters: `trials` (most trials in a sweep), `preset` (smaller budgets), `promote` (off: measure only).

* `split` gives new labelled texts their side, for ever; while nothing is labelled it skips and says so.
* `sweep` is a task a trial: as many at once as the pool `gpu` has slots. `train`, `evaluate`, `promote` take one too.
* `promote` compares what this run trained with the champion; with `mode = "approve"` a person is asked (`approval`).
* `new_champion` starts the scoring. Skipped, it was not needed: the champion stays, or MLflow has started it already.
* `report` writes the page.
"""

from airflow.sdk import DAG

from aufruf_airflow import assets
from aufruf_airflow.approval import approval
from aufruf_airflow.classifiers import train_params, train_schedule, working
from aufruf_airflow.notify import deadline
from aufruf_airflow.sweep import sweep
from aufruf_airflow.task import announce, common, skip, step, take, verb


def build(classifier):
    name = classifier.name
    when = {"schedule": train_schedule(classifier), "deadline": deadline(classifier)}
    with DAG(f"{name}.train", params=train_params(), **when, **common(__doc__, name)):

        @step(gpu=True, hours=2)
        def evaluate(trained, params=None):
            """Measure the challenger on the frozen test set."""
            return take("evaluate", name, params, model=trained["model_version"])

        @step(gpu=True)
        def promote(trained, params=None):
            """Let what this run trained meet the champion; the alias says what, where `train` was set to success."""
            own = {"challenger": trained["model_version"]} if trained else {}
            return take("promote", name, params, **own) if params["promote"] else skip("Asked not to promote.")

        @step(outlets=[assets.champion(name)], inlets=[assets.champion(name)])
        def new_champion(decision, outlet_events=None, inlet_events=None):
            """Announce that the champion changed, unless MLflow's webhook was faster."""
            return announce(assets.champion(name), decision, outlet_events, inlet_events)

        split = verb("split", name, waits=True)
        train = verb("train", name, gpu=True, hours=12)
        report = verb("report", name, waits=True, trigger_rule="none_failed_min_one_success")
        split >> sweep(classifier) >> train >> (measured := evaluate(train)) >> (decision := promote(train))
        decided = approval(classifier, decision) if classifier.gate.mode == "approve" else decision
        new_champion(decided)
        [measured, decided] >> report


for classifier in working():
    build(classifier)
