"""Takes in what lies in the inbox, and tells the other DAGs what is new.

Runs when files lie complete in `inbox/annotations` or `inbox/posts` under `AUFRUF_HOME`: the triggerer looks
every five seconds and waits until nothing moves. No parameters; trigger it by hand to look once more.

* `ingest` checks every file and stores its good rows; refused rows go to the table `quarantine`.
* `label` decides the labels of each classifier from the votes that count; skipped when no label is new.
* `posts` announces new texts, so that `<classifier>.score` runs; skipped when none is new.
* `refusals` fails, and says why: a file was refused, votes are held out, or wait for a broken classifier file.

**When it fails.** `refusals`: read its log, mend the file, drop it again (trigger `ingest`, where it waits).
`ingest`: read its log; a file is stored once per content, so clearing the task is always safe.
"""

from airflow.sdk import DAG, TaskGroup

from aufruf.settings import Settings
from aufruf_airflow import assets
from aufruf_airflow.classifiers import broken, working
from aufruf_airflow.task import common, counted, fail, skip, step, take, tell, told

with DAG("ingest", schedule=[assets.inbox(Settings.load())], **common(__doc__)):

    @step(hours=2)
    def ingest(ti=None):
        """Check and store every file of the inbox; the result is counts."""
        from aufruf.steps.ingest import ingest

        result = ingest(Settings.load(), working(), broken=broken())
        tell(ti, "ingest", result)
        news = {kind: result[kind] for kind in ("annotations", "posts")}
        again = ti.try_number > 1  # what the try before took in is not counted
        return {**news, "again": again}

    @step()
    def label(name, news, ti=None):
        """Decide one label per text from its votes; a text that reads otherwise than it did loses its label."""
        result = take("label", name) if any(news.values()) else skip("Nothing is new.")
        tell(ti, "label", result if news["annotations"] or news["again"] else {})  # no news of held-out votes else
        return counted(result) if result["changed"] else skip("No label is new.")

    @step(outlets=[assets.POSTS])
    def posts(news):
        """Announce new texts."""
        return {"posts": news["posts"]} if news["posts"] or news["again"] else skip("No text is new.")

    @step(trigger_rule="none_failed")
    def refusals(ti=None):
        """Fail visibly when a whole file was refused or its votes are held out."""
        return fail(why) if (why := told(ti, "ingest", *labels)) else {"refused": 0}

    news = ingest()
    names = [classifier.name for classifier in working()]
    labels = [f"label.{name}" for name in names]
    with TaskGroup("label") as group:
        for name in names:
            label.override(task_id=name, outlets=[assets.labels(name)])(name, news)
    posts(news)
    group >> refusals()
