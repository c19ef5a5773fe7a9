import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aufruf import demo
from aufruf.errors import StackError
from aufruf.settings import Settings
from aufruf.stack import follow
from aufruf.stack.follow import Follow
from aufruf.store import Store

MAPPED = ("sweep.trial", "score.shard")
LATER = "2999-01-01T00:0{}:00Z"  # runs that ended before somebody looks are of no interest


@dataclass
class Played:
    """Airflow's REST API as a play: each look at the runs shows the next scene, the last one for ever."""

    scenes: list[list[dict[str, Any]] | None]
    url: str = "http://127.0.0.1:1"
    log: list[Any] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, **query: Any) -> Any:
        if path == "dags/~/dagRuns":
            if "state" in query and not query["offset"]:  # the first of a look's questions
                self.scene = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
            self.now = self.scene or []
            runs = [run["run"] for run in self.now if _asked(run["run"], query)]
            page = runs[query["offset"] :][: query["limit"]]
            return None if self.scene is None else {"dag_runs": page, "total_entries": len(runs)}
        if "/logs/" in path:
            tasks = [task for run in self.now for task in run["tasks"] if f"/{task['task_id']}/" in path]
            return {"content": self.log} if query["map_index"] == tasks[0]["map_index"] else None
        if path.endswith("taskInstances/promote/xcomEntries/return_value"):
            return {"value": self.decision}
        return {"task_instances": next(r["tasks"] for r in self.now if f"/{r['run']['dag_run_id']}/" in path)}


def _asked(run: dict[str, Any], query: dict[str, Any]) -> bool:
    """Whether a run is in the answer."""
    return run["state"] in query["state"] if "state" in query else (run["end_date"] or "") >= query["end_date_gte"]


def run(dag: str, state: str, minute: int = 0, **tasks: str) -> dict[str, Any]:
    """A run, and the states of its tasks; tasks that are over ended in ``minute``."""
    end = LATER.format(minute) if state in {"success", "failed"} else None
    head = {"dag_id": dag, "dag_run_id": f"{dag}-{minute}", "state": state, "run_after": LATER.format(minute)}
    rows = [
        {
            "id": f"{dag}-{minute}-{name}",
            "dag_id": dag,
            "dag_run_id": head["dag_run_id"],
            "task_id": name,
            "map_index": 3 if name in MAPPED else -1,
            "state": state_of_task,
            "start_date": LATER.format(minute),
            "end_date": LATER.format(minute),
            "duration": 1.5,
            "try_number": 1,
        }
        for name, state_of_task in tasks.items()
    ]
    return {"run": {**head, "end_date": end}, "tasks": rows}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only while somebody sleeps."""
    passed = [0.0]
    monkeypatch.setattr(follow.time, "monotonic", lambda: passed[0])
    monkeypatch.setattr(follow.time, "sleep", lambda seconds: passed.__setitem__(0, passed[0] + seconds))


def _follow(scenes: list[Any], complete: Callable[[], bool] = lambda: True, **more: Any) -> None:
    Follow(Played(scenes, **more), "c").to_the_end(complete)  # type: ignore[arg-type]


def test_it_waits_until_the_new_champion_has_scored(capsys: pytest.CaptureFixture[str]) -> None:
    """The pause between a promotion and the scoring that it starts is not the end."""
    trained = run("c.train", "success", 1, promote="success", new_champion="skipped")
    early = run("c.score", "success", 0, score="skipped", report="skipped")
    scored = run("c.score", "success", 2, score="success", report="success")
    scenes = [[run("c.train", "running", 1, sweep="running")], [early, trained], [early, trained]]
    play = Played([*scenes, [early, trained, scored]], decision={"verdict": "promoted"})
    Follow(play, "c").to_the_end(lambda: True)  # type: ignore[arg-type]
    assert len(play.scenes) == 1, "it looked until the last scene"
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["c.train", "sweep", "running"],
        ["c.score", "score", "skipped"],
        ["c.score", "report", "skipped"],
        ["c.train", "promote", "success"],
        ["c.train", "new_champion", "skipped"],
        ["c.score", "score", "success"],
        ["c.score", "report", "success"],
    ]


def test_a_failed_task_is_named_with_the_end_of_its_log() -> None:
    """The message says which task, what its log said last, and what to do."""
    log = [
        {"event": "bundles loaded"},
        {"event": "boom", "level": "error", "error_detail": [{"exc_type": "E", "exc_value": "x"}]},
    ]
    with pytest.raises(StackError, match=r"c\.train / sweep: the task failed(?s:.*)boom \| E: x(?s:.*)clear the task"):
        _follow([[run("c.train", "running", 1, sweep="failed")]], log=log)
    shard = {"score.shard": "failed"}  # a task of which there are many: Airflow has to be told which
    with pytest.raises(StackError, match=r"boom \| E: x(?s:.*)/tasks/score\.shard/mapped/3,"):
        _follow([[run("c.score", "running", 1, **shard)]], log=log)


@pytest.mark.parametrize(
    ("scenes", "said"),
    [
        ([None], "does not answer any more"),
        ([[]], "nothing left to do"),
        ([[run("c.train", "success", 1, split="skipped")]], "nothing left to do"),
        ([[run("c.train", "running", 1, sweep="running")]], "not finished after 60 minutes"),
    ],
    ids=["gone", "never-began", "idle", "endless"],
)
def test_following_ends(scenes: list[Any], said: str) -> None:
    """Whatever Airflow does or does not do, the demo does not wait for ever."""
    with pytest.raises(StackError, match=said):
        _follow(scenes, complete=lambda: False)


def test_a_challenger_that_was_kept_back_is_said_with_the_reasons() -> None:
    """The demo does not wait for a champion that the gate did not make."""
    kept = run("c.train", "success", 1, promote="success", new_champion="skipped", report="skipped")
    decision = {"verdict": "kept", "reasons": ["the baseline is better"]}
    with pytest.raises(StackError, match=r"c\.train / promote: .*did not become champion: the baseline is better"):
        _follow([[kept]], complete=lambda: False, decision=decision)


def test_an_old_run_of_ours_is_seen_among_many_of_others() -> None:
    """A run that waits since long counts, however many newer ones of other classifiers Airflow would name first."""
    old = run("c.train", "running", 0, train="running")
    old["run"]["run_after"] = "2020-01-01T00:00:00Z"
    others = [run("other.score", "running", minute % 10) for minute in range(150)]
    assert Follow(Played([[*others, old]]), "c").active()  # type: ignore[arg-type]
    assert not Follow(Played([others]), "c").active()  # type: ignore[arg-type]


def test_other_dags_are_none_of_its_business() -> None:
    """The failure of another classifier's night does not end the demo."""
    other = run("other.train", "failed", 1, sweep="failed")
    _follow([[other, run("c.train", "success", 1, promote="success")]])


def test_the_sample_is_dropped_once(tmp_path: Path) -> None:
    """The files reach their inboxes whole, and none again once they were ingested; a mark says that they are there.

    The table of authors, which no inbox takes, is in the lake before: shares by party need it.
    """
    settings = Settings.load(home=tmp_path, env={})
    for folder in (settings.inbox_annotations, settings.inbox_posts, settings.raw):
        folder.mkdir(parents=True)
    names = demo._drop_sample(settings)
    dropped = sorted(tmp_path.glob("inbox/*/*"))
    assert [path.name for path in dropped] == names == sorted(path.name for path in dropped)
    assert {path.parent.name for path in dropped} == {"annotations", "posts"}
    assert "authors.csv" not in names
    for path in dropped:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(settings.raw / f"{digest}{path.suffix}")
    assert demo._drop_sample(settings) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "inbox", "lake", "raw", "studies"]
    assert Store(settings.lake).read("authors")["party"].nunique() > 3


def test_the_summary_says_what_a_person_wants_to_know() -> None:
    """Champion with its interval, counts, the report, both addresses with the login, and how to stop it."""
    told = "\n".join(
        demo.sentences(
            {
                "champion": {"version": "3", "metrics": {"f1": {"value": 0.81, "low": 0.72, "high": 0.882}}},
                "scored": 400,
                "calls": 71,
                "report": "/var/reports/page.html",
                "news": True,
                "urls": {"airflow": "http://127.0.0.1:8080", "mlflow": "http://127.0.0.1:5000"},
                "login": {"user": "admin", "password": "pw"},
            }
        )
    )
    for fact in ("version 3", "0.810 [0.720, 0.882]", "400 texts", "71 calls", "/var/reports/page.html", "make down"):
        assert fact in told
    assert "http://127.0.0.1:8080  user admin, password pw" in told
    assert "http://127.0.0.1:5000" in told
