"""Once a day: do the posts and the labels still look like those before, and what should be annotated next?

Runs at `[schedule] monitor` of the classifier file. No parameters; what counts as a drift, and below how many
texts nothing is said, stands in the section `[monitor]` of the file, what annotators get in `[teach]`.

* `monitor` compares the posts that arrived last with the labelled texts and with the weeks before, keeps the
  figures in the table `shifts` and writes the page; without a champion it skips.
* `drift` fails when something has moved, and says what, from what to what, and since when. It is not tried again.
* `queue` writes the unlabelled texts that would teach most as Label Studio tasks, beside the reports.

**When it fails.** `drift`: look at the page, annotate the queue, train again; or raise `[monitor.limits]`. Nothing is
broken, and scoring goes on. Any other task: the log ends with what went wrong and what to do; clearing is safe.
"""

from airflow.sdk import DAG

from aufruf_airflow.classifiers import cron, working
from aufruf_airflow.task import common, fail, step, take, tell, told, verb


def build(classifier):
    name = classifier.name
    with DAG(f"{name}.monitor", schedule=cron(classifier, "monitor"), **common(__doc__, name)):

        @step(waits=True)
        def monitor(ti=None):
            """Compare what arrives with what was learned, and with the weeks before."""
            result = take("monitor", name)
            tell(ti, "monitor", result)
            return result

        @step()
        def drift(ti=None):
            """Fail visibly when something has moved."""
            return fail(why) if (why := told(ti, "monitor")) else {"moved": 0}

        monitor() >> [drift(), verb("queue", name)]


for classifier in working():
    build(classifier)
