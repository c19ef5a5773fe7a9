"""``make demo``: the whole system on a small campaign, from files in an inbox to a report, run by Airflow."""

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from aufruf import stack
from aufruf.classifier import Classifier, choose, names
from aufruf.settings import Settings
from aufruf.stack import say
from aufruf.stack.api import Airflow
from aufruf.stack.follow import Follow

PRESET = "demo"
CLASSIFIER = "call_to_action"  # the question that the sample's annotators were asked


def demo(settings: Settings) -> dict[str, Any]:
    """Bring the stack up, drop the sample into the inbox, follow Airflow to the reports, and sum up.

    Run again on the same home it finds nothing to do and gives the same summary. Raises StackError naming the
    task that failed; the stack then stays up to be looked at. Ctrl-C ends what was started here.
    """
    settings = replace(settings, preset=PRESET)
    known = names(settings)
    classifier = choose(settings, CLASSIFIER if CLASSIFIER in known or len(known) != 1 else None)
    was_up = stack.state.running(settings) is not None
    with stack.interruptible():
        try:
            started = stack.up(settings, PRESET)
            news = _work(settings, classifier)
        except KeyboardInterrupt:
            if not was_up:
                say("Interrupted: stopping what was started.")
                stack.down(settings)
            raise
    result = _summary(settings, classifier) | {
        "news": news,
        "urls": started["urls"],
        "login": started["login"],
    }
    return {**result, "summary": sentences(result)}


def sentences(result: dict[str, Any]) -> list[str]:
    """The summary for people, a line each."""
    f1 = (result["champion"] or {}).get("metrics", {}).get("f1") or {}
    measured = "test F1 {value:.3f} [{low:.3f}, {high:.3f}]".format(**f1) if f1 else "not measured"
    login = result["login"]
    return [
        "",
        "The demo has run." if result["news"] else "Nothing to do: the sample has been through all of it before.",
        f"  champion  version {(result['champion'] or {}).get('version')}, {measured}",
        f"  posts     {result['scored']} texts scored, {result['calls']} calls to action found",
        f"  report    {result['report']}",
        f"  Airflow   {result['urls']['airflow']}  user {login['user']}, password {login['password']}",
        f"  MLflow    {result['urls']['mlflow']}",
        "  stop it   make down",
    ]


def _work(settings: Settings, classifier: Classifier) -> bool:
    """Give Airflow what it lacks and follow it; False when there was nothing to do."""
    dropped = _drop_sample(settings)
    found = _summary(settings, classifier)
    if not dropped and complete(found):
        return False
    airflow = Airflow(settings)
    follow = Follow(airflow, classifier.name)
    if dropped:
        say(f"Dropped {len(dropped)} files into {settings.home / 'inbox'}; Airflow looks every few seconds.")
    elif not follow.active():
        verb = "score" if found["champion"] else "train"
        say(f"The sample is in, but its night was not finished: starting {classifier.name}.{verb}.")
        airflow.trigger(f"{classifier.name}.{verb}")
    follow.to_the_end(lambda: complete(_summary(settings, classifier)))
    return True


def _drop_sample(settings: Settings) -> list[str]:
    """Put the sample's files that were never ingested into the inbox; returns their names.

    They appear together, each by a rename, so that every annotator's votes are there when labels are decided.
    """
    from aufruf.sample import write_sample
    from aufruf.steps.ingest import ingest

    inboxes = {"annotations": settings.inbox_annotations, "posts": settings.inbox_posts}
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".sample-") as folder:
        places = {}
        for file in write_sample(Path(folder)):
            inbox = inboxes.get(file.name.partition("_")[0])
            if inbox and not _ingested(settings, file):
                places[file] = inbox / file.name
        if places:
            ingest(settings, (), [], authors=Path(folder) / "authors.csv")  # no inbox takes it; shares by party need it
            settings.sampled.touch()
        for file, place in places.items():
            file.replace(place)  # one file system: the folder is under the same home
    return sorted(place.name for place in places.values())


def _ingested(settings: Settings, file: Path) -> bool:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return any(settings.raw.glob(f"{digest}*"))


def _summary(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    from aufruf.steps.status import status

    found = status(settings, classifier)
    return {key: found.get(key) for key in ("champion", "scored", "calls", "report")}


def complete(found: dict[str, Any]) -> bool:
    """True when there is a champion that has scored, and a report."""
    return bool(found["champion"] and found["scored"] and found["report"])
