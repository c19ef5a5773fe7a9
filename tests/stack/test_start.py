"""What a start of the stack waits for, asks of Airflow and tells its processes; nothing of it is started here."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aufruf import stack
from aufruf.errors import StackError, UsageError
from aufruf.settings import Settings
from aufruf.stack import environment, processes
from aufruf.stack.api import Airflow

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)
TRACE = 'Traceback (most recent call last):\n  File "classifiers.py", line 9, in <module>\n    complain()\n'


class Played(Airflow):
    """Airflow's REST API as it answers in a play: at most 100 entries at once, as the real one."""

    def __init__(self, settings: Settings, dags: list[str], errors: list[tuple[datetime, str]]) -> None:
        super().__init__(settings)
        self.lists: dict[str, list[Any]] = {
            "dags": [{"dag_id": dag, "is_stale": False} for dag in dags],
            "import_errors": [
                {"timestamp": at.isoformat().replace("+00:00", "Z"), "stack_trace": f"{TRACE}aufruf.errors.{said}\n"}
                for at, said in errors
            ],
        }

    def get(self, path: str, **query: Any) -> Any:
        found = self.lists["import_errors" if path == "importErrors" else path]
        start, limit = query.get("offset", 0), min(query.get("limit", 50), 100)
        key = "import_errors" if path == "importErrors" else path
        return {key: found[start : start + limit], "total_entries": len(found)}


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """A home with two classifier files, of which ``bad`` cannot be scheduled."""
    settings = replace(Settings.load(tmp_path / "home", env={}), classifiers=tmp_path / "classifiers")
    settings.classifiers.mkdir()
    for name in ("good", "bad"):
        (settings.classifiers / f"{name}.toml").write_text('labels = ["no", "yes"]\n', "utf-8")
    return settings


def dags(*names: str) -> list[str]:
    return ["ingest", *(f"{name}.{verb}" for name in names for verb in ("train", "score", "monitor"))]


def test_a_file_that_cannot_be_scheduled_holds_up_no_other(place: Settings) -> None:
    """Its DAGs are not waited for once Airflow says why there are none; until then they are, and those of others."""
    said = [(NOW, "UsageError: bad.toml: schedule.train: not five fields. Mend it.")]
    assert stack._unread(place, Played(place, dags("good"), said), NOW) == []
    assert stack._unread(place, Played(place, ["ingest"], said), NOW) == sorted(dags("good")[1:])
    assert stack._unread(place, Played(place, dags("good"), []), NOW) == sorted(dags("bad")[1:])


def test_what_an_earlier_start_complained_of_does_not_count(place: Settings) -> None:
    """A file that was mended meanwhile is waited for until it has been read anew."""
    old = [(NOW - timedelta(hours=1), "UsageError: bad.toml: there is no time zone. Mend it.")]
    assert stack._unread(place, Played(place, dags("good"), old), NOW) == sorted(dags("bad")[1:])


def test_one_import_error_names_every_broken_file(place: Settings) -> None:
    """The complaint has a line for each file; a file is not taken for one whose name ends alike."""
    airflow = Played(
        place, dags("good"), [(NOW, "UsageError: not bad.toml: a name. Use -.\nworse.toml: a zone. Mend.")]
    )
    assert airflow.import_errors() == ["not bad.toml: a name. Use -.", "worse.toml: a zone. Mend."]
    assert stack._unread(place, airflow, NOW) == sorted(dags("bad")[1:])


def test_more_dags_than_a_page_has_are_all_found(place: Settings) -> None:
    """Forty classifiers have 121 DAGs; Airflow gives a hundred at once, whatever it is asked for."""
    many = dags(*(f"c{number}" for number in range(40)))
    assert Played(place, many, []).dags() == set(many)


def test_a_preset_that_is_none_is_refused_before_anything_starts(place: Settings) -> None:
    """With the nearest one named, and no home made; with it no DAG would ever be read."""
    with pytest.raises(UsageError, match=r"no preset 'quik'\. Did you mean 'quick'"):
        stack.up(place, "quik")
    assert not place.home.exists()


def test_a_sqlite_file_elsewhere_is_no_registry_of_the_stack(tmp_path: Path) -> None:
    """Its server has the home's, so there would be two; the refusal names the file."""
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/elsewhere.db", "AUFRUF_CLASSIFIERS": str(ROOT / "classifiers")}
    settings = Settings.load(tmp_path / "home", env)
    with pytest.raises(StackError, match=r"elsewhere\.db: MLFLOW_TRACKING_URI names a SQLite file"):
        stack.up(settings)
    assert processes.marked(settings.home) == []


@pytest.fixture
def started(place: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[list[str]]]]:
    """``started(answer)``: which commands of Airflow a start runs to their end when ``pools get`` does this."""
    children: list[subprocess.Popen[bytes]] = []

    def start(answer: str) -> list[list[str]]:
        ran: list[list[str]] = []

        def instead(command: list[str], *_: Any) -> subprocess.Popen[bytes]:
            ran.append(command[4:])
            children.append(subprocess.Popen(answer.split() if command[4:6] == ["pools", "get"] else ["true"]))
            return children[-1]

        monkeypatch.setattr(processes, "start", instead)
        monkeypatch.setattr(stack._Start, "_start", lambda *_: None)
        monkeypatch.setattr(stack._Start, "_wait", lambda *_: None)
        monkeypatch.setattr(stack._Start, "_registered", lambda *_: True)
        site = environment.Site(place, {"AUFRUF_DAGS": str(ROOT / "dags")})
        stack._Start(place, site, None).run()
        return ran

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.parametrize(("answer", "imports"), [("true", 0), ("false", 1)], ids=["there", "missing"])
def test_a_pool_that_is_there_is_left_as_it_is(
    started: Callable[[str], list[list[str]]], answer: str, imports: int
) -> None:
    """Pools are imported where there are none; slots that somebody gave the pool stay through a start."""
    assert [command[1] for command in started(answer) if command[0] == "pools"].count("import") == imports


def test_a_machine_with_several_gpus_says_so(
    started: Callable[[str], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUFRUF_GPU_SLOTS gives the pool as many slots, whatever it had."""
    assert ["pools", "set"] not in [command[:2] for command in started("true")]
    monkeypatch.setenv("AUFRUF_GPU_SLOTS", "2")
    assert [command[:4] for command in started("true") if command[1] == "set"] == [["pools", "set", "gpu", "2"]]


def test_a_setup_that_does_not_end_is_said(
    started: Callable[[str], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a home that is too slow the error names the command and its log."""
    monkeypatch.setattr(stack, "SECONDS_TO_START", 3.0)
    with pytest.raises(StackError, match=r"setup\.log: `airflow pools get` has not ended after 3 s"):
        started("sleep 60")


def test_connections_and_variables_of_ones_own_reach_airflow(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """AIRFLOW_CONN_... and AIRFLOW_VAR_... are kept, for Airflow alone; its settings come from us."""
    mine = {"AIRFLOW_CONN_SMTP_DEFAULT": "smtp://mail.example", "AIRFLOW_VAR_TOKEN": "t"}
    for name, value in {**mine, "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor", "AIRFLOW_HOME": "/x"}.items():
        monkeypatch.setenv(name, value)
    site = environment.Site(place, {"AUFRUF_DAGS": str(ROOT / "dags")})
    told = environment.airflow_environment(place, site, "mark", None)
    assert {name: told[name] for name in mine} == mine
    assert (told["AIRFLOW__CORE__EXECUTOR"], told["AIRFLOW_HOME"]) == ("LocalExecutor", str(place.airflow))
    assert not mine.keys() & environment.mlflow_environment(place, site, "mark").keys()


def test_a_task_reads_the_same_paths_as_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Components stand in another folder; relative paths are told to them as whole ones."""
    monkeypatch.chdir(tmp_path)
    env = {"AUFRUF_LAKE": "mylake", "AUFRUF_ENCODER": "./gbert", "AUFRUF_DAGS": str(ROOT / "dags")}
    settings = Settings.load("home", env)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    told = environment.airflow_environment(settings, environment.Site(settings, env), "mark", None)
    monkeypatch.chdir("/")
    inside = Settings.load(env=told)
    assert (inside.lake, inside.encoder) == (settings.lake, settings.encoder)
    assert (settings.lake, settings.encoder) == (str(tmp_path / "mylake"), str(tmp_path / "gbert"))
