"""Once a day: do the posts and the labels still look like those that the champion was trained on?

Runs at `[schedule] monitor` of the classifier file. No parameters; what counts as a drift, and below how many
texts nothing is said, stands in the section `[monitor]` of the file.

* `monitor` compares new texts and predictions with the training data; without a champion it skips.

**When it fails.** The log ends with what went wrong and what to do. A drift is a finding, not a failure: it
stands in the result and in the next report.
"""

from airflow.sdk import DAG

from aufruf_airflow.classifiers import cron, working
from aufruf_airflow.task import common, verb


def build(classifier):
    name = classifier.name
    with DAG(f"{name}.monitor", schedule=cron(classifier, "monitor"), **common(__doc__, name)):
        verb("monitor", name, waits=True)


for classifier in working():
    build(classifier)
