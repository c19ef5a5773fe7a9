"""Upkeep where the tables are on S3 and MLflow is a server: pruning, forgetting, and what nights have left in logs."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.cluster.conftest import NAME, System
from tests.cluster.natively import DOCKER

from aufruf.release import artifacts, retention
from aufruf.release.registry import CHAMPION
from aufruf.schemas import TABLES, Author

AIRFLOWS = re.compile(r"(task|airflow)(\.|$)")  # loggers; what is printed is of task.stdout and task.stderr
NIGHTS = 20  # commits after which small files are put together


def test_log_lines_say_whose_they_are(system: System) -> None:
    """Each line that a step or a library logs is an object with its classifier, DAG and run; no post's text is in any.

    Nor is one in what any service writes. A fault may have cut a line off: that one is looked through as it stands.
    Lines of Airflow's own, and what is printed, need not name anything.
    """
    logs = sorted((system.settings.airflow / "logs").glob("dag_id=*/**/*.log"))
    lines = [parsed(line) for log in logs for line in log.read_text("utf-8").splitlines()]
    found = [line for line in lines if isinstance(line, dict) and not AIRFLOWS.match(line.get("logger", ""))]
    assert len(found) > 20
    assert {line["logger"].partition(".")[0] for line in found} > {"aufruf"}
    assert not [line for line in found if not all(line.get(key) for key in ("dag_id", "run_id", "task_id"))]
    assert not [line for line in found if line.get("classifier") != ("" if line["task_id"] == "ingest" else NAME)]
    services = [log.read_text("utf-8", "replace") for log in sorted(system.cluster.logs.glob("*.log"))]
    whole = "\n".join([*(word for line in lines for word in words(line)), *services])
    texts = [text for text in system.store.read("texts")["text"] if len(text) > 40]
    assert len(texts) > 100
    assert not [text for text in texts if any(form in whole for form in forms(text[:40]))]


def test_pruning_loses_no_row(system: System) -> None:
    """The small files that many nights leave become one; every table has the rows that it had, and one champion is."""
    system.calm()
    for n in range(NIGHTS):
        system.store.add("authors", [Author(f"nobody{n}", "none")])
    before = counts(system)
    assert files(system) >= NIGHTS
    said = asked(system, "prune", "--yes")
    assert files(system) == 1, said
    assert counts(system) == before
    system.sound()


def test_files_of_runs_and_versions_go_from_s3(system: System) -> None:
    """A version's with the version, a run's with the run; those of the champion stay."""
    registry, client = system.registry, system.registry.client
    champion = registry.by_alias(CHAMPION)
    assert champion is not None
    [experiment] = [one for one in client.search_experiments() if one.name == NAME]
    for kind in ("version", "run"):
        info = client.create_run(experiment.experiment_id).info
        client.log_text(info.run_id, "figures", "deep/down/figures.txt")
        client.set_terminated(info.run_id)
        size, place = artifacts.size_of(registry, info.artifact_uri), info.artifact_uri
        assert (size, place.partition(":")[0]) == (len("figures"), "s3")
        if kind == "run":
            retention.delete_run(registry, retention.OldRun(info.run_id, place, size))
        else:
            made = client.create_model_version(NAME, place, info.run_id).version
            assert retention.delete_version(registry, registry.get(made))
            client.delete_run(info.run_id)
        assert artifacts.size_of(registry, place) == 0
    assert artifacts.size_of(registry, champion.source) > 0


def test_a_forgotten_author_is_in_no_table(system: System) -> None:
    """Texts, votes, predictions and explanations of an account go from tables on S3, and nobody else's."""
    system.calm()
    texts = system.store.read("texts", columns=["text_id", "author"])
    author = texts["author"].dropna().value_counts().index[-1]
    gone = set(texts[texts["author"] == author]["text_id"])
    told = asked(system, "forget", author, "--raw")
    left = {name: set(system.store.read(name, columns=["text_id"])["text_id"]) for name in ("texts", "predictions")}
    assert left["texts"] == set(texts["text_id"]) - gone, told
    assert not left["predictions"] & gone
    assert author not in system.store.read("texts", columns=["author"])["author"].tolist()
    system.sound()


def files(system: System) -> int:
    """Files of the table of authors."""
    found = system.store.files("authors")
    assert found is not None
    return len(found[1])


def counts(system: System) -> dict[str, int]:
    """Rows of each table that is there."""
    return {name: system.store.count(name) for name in TABLES if system.store.version(name) is not None}


def asked(system: System, *words: str) -> Any:
    """What a command of ours says inside a worker's container, as docs/cluster.md has it."""
    command = [DOCKER / "entrypoint.sh", "aufruf", *words, "--json"]
    done = subprocess.run(command, env=system.cluster.env("worker"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def forms(text: str) -> set[str]:
    """As it is, and as it stands in JSON that is a string itself."""
    return {text, *(json.dumps(text, ensure_ascii=letters)[1:-1] for letters in (True, False))}


def parsed(line: str) -> Any:
    """What a line says; itself where it was cut off."""
    try:
        return json.loads(line)
    except ValueError:
        return line


def words(found: Any) -> Iterator[str]:
    """Every string in what JSON holds."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, (list, dict)):
        for one in found.values() if isinstance(found, dict) else found:
            yield from words(one)
