"""Following Airflow's runs from a shell: a line per task, until all is done or one has failed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aufruf.errors import StackError
from aufruf.stack import say
from aufruf.stack.api import Airflow, every

MINUTES = 60.0  # several times what two slow cores need for the demo
SETTLED = 15.0  # seconds in which a promotion has started the scoring
IDLE = 90.0  # seconds with nothing to do after which nothing more will come
_EVERY = 2.0
_CROWNING = {"first", "promoted"}  # verdicts that move the alias champion

Task = dict[str, Any]


class Follow:
    """Watches the DAG ``ingest`` and those of one classifier, from now on."""

    def __init__(self, airflow: Airflow, classifier: str) -> None:
        self.airflow = airflow
        self.dags = {"ingest", f"{classifier}.train", f"{classifier}.score"}
        self.since = datetime.now(UTC).isoformat()
        self.told: dict[str, str] = {}
        self.spoke = 0.0  # seconds since we look

    def active(self) -> bool:
        """True while a run of ours waits or runs."""
        return any(run["state"] in {"queued", "running"} for run in self._runs() or [])

    def to_the_end(self, complete: Callable[[], bool]) -> None:
        """Return once nothing runs any more and ``complete()``.

        Raises StackError when a task has failed, Airflow is gone, idles too long, or the time is up.
        """
        began = busy = answered = time.monotonic()
        while time.monotonic() - began < MINUTES * 60:
            time.sleep(_EVERY)
            runs = self._runs()
            now = time.monotonic()
            if runs is None:
                if now - answered > IDLE:
                    raise self._trouble("Airflow does not answer any more")
                continue
            answered = now
            tasks = [task for run in runs for task in self._tasks(run)]
            self._tell(tasks)
            self._keep_awake(tasks, now - began)
            if not runs or any(run["state"] in {"queued", "running"} for run in runs):
                busy = now if runs else busy
            elif self._champion_has_scored(tasks) and complete():
                return
            elif now - busy > SETTLED:
                self._stop_without_champion(tasks)
            if now - busy > IDLE:
                raise self._trouble("Airflow has nothing left to do, but the demo is not complete")
        raise self._trouble(f"not finished after {MINUTES:.0f} minutes; it goes on")

    def _runs(self) -> list[dict[str, Any]] | None:
        """Our runs that did something since we look; None when Airflow does not answer.

        However many there are of others. What is at work is asked first: a run that ends meanwhile is in the second.
        """
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for asked in ({"state": ["queued", "running"]}, {"end_date_gte": self.since}):
            runs = every(self.airflow.get, "dags/~/dagRuns", "dag_runs", order_by="run_after", **asked)
            if runs is None:
                return None
            found |= {(run["dag_id"], run["dag_run_id"]): run for run in runs if run["dag_id"] in self.dags}
        return sorted(found.values(), key=lambda run: run["run_after"])

    def _tasks(self, run: dict[str, Any]) -> list[Task]:
        path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        tasks = every(self.airflow.get, path, "task_instances") or []  # a scoring may have more than a hundred
        return sorted(tasks, key=lambda task: task["start_date"] or "~")

    def _tell(self, tasks: list[Task]) -> None:
        for task in tasks:
            state = task["state"] or ""
            if state not in {"running", "success", "failed", "up_for_retry", "skipped", "upstream_failed"}:
                continue
            if self.told.get(task["id"]) != state:
                self.told[task["id"]] = state
                seconds = f"{task['duration']:6.1f} s" if task["duration"] and state != "running" else ""
                say(f"  {task['dag_id']:<24} {task['task_id']:<22} {state:<12} {seconds}".rstrip())
            if state == "failed":
                raise self._failed(task)

    def _stop_without_champion(self, tasks: list[Task]) -> None:
        """Raise StackError with the gate's reasons when it kept the challenger back and nothing else will come."""
        judged = [task for task in tasks if (task["task_id"], task["state"]) == ("promote", "success")]
        if not judged or (decision := self._result(judged[-1])).get("verdict") in _CROWNING:
            return
        raise StackError(
            f"the challenger did not become champion: {'; '.join(decision.get('reasons', [])) or 'no reason given'}",
            where=f"{judged[-1]['dag_id']} / promote",
            next="Look at its run in MLflow; the stack stays up, `make down` stops it.",
        )

    def _champion_has_scored(self, tasks: list[Task]) -> bool:
        """False while a champion crowned here has not been followed by a scoring to its end."""
        judged = [task for task in tasks if (task["task_id"], task["state"]) == ("promote", "success")]
        crowned = [task["end_date"] for task in judged if self._result(task).get("verdict") in _CROWNING]
        written = [
            task["end_date"]
            for task in tasks
            if task["dag_id"].endswith(".score") and (task["task_id"], task["state"]) == ("report", "success")
        ]
        return not crowned or any(end > max(crowned) for end in written)

    def _result(self, task: Task) -> dict[str, Any]:
        """What the task returned."""
        run = f"dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
        entry = self.airflow.get(f"{run}/xcomEntries/return_value", deserialize="true")
        value = entry.get("value") if isinstance(entry, dict) else None
        return value if isinstance(value, dict) else {}

    def _keep_awake(self, tasks: list[Task], seconds: float) -> None:
        """A word every half minute, so that a long training does not look like a hang."""
        running = [f"{task['dag_id']} / {task['task_id']}" for task in tasks if task["state"] == "running"]
        if running and seconds - self.spoke >= 30:
            self.spoke = seconds
            say(f"  ... {', '.join(running)}, {seconds:.0f} s since the start")

    def _failed(self, task: Task) -> StackError:
        where = f"{task['dag_id']} / {task['task_id']}"
        run = f"dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}"
        path, at = f"{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}", task["map_index"]
        log = self.airflow.get(path, full_content="true", map_index=at)
        page = f"{self.airflow.url}/dags/{task['dag_id']}/runs/{task['dag_run_id']}/tasks/{task['task_id']}"
        page += f"/mapped/{at}" if at >= 0 else ""
        return StackError(
            "the task failed",
            where=where,
            next=f"Its log ends:\n{log_tail(log)}\nRead it at {page}, mend the cause, clear the task there.",
        )

    def _trouble(self, what: str) -> StackError:
        return StackError(
            what, where=f"{self.airflow.url}/dags", next="Look there, or stop the stack with `make down`."
        )


def log_tail(log: Any, lines: int = 8) -> str:
    """The last errors of a task's log as the REST API gives it; its last events when it died without a word."""
    events = [line for line in log.get("content", []) if isinstance(line, dict)] if isinstance(log, dict) else []
    errors = [line for line in events if line.get("level") in {"error", "critical"}]
    told = []
    for line in (errors or events)[-lines:]:
        causes = [f"{cause.get('exc_type')}: {cause.get('exc_value')}" for cause in line.get("error_detail") or []]
        told.append("  " + " | ".join([str(line.get("event", "")), *causes[:1]]))
    return "\n".join(told)
