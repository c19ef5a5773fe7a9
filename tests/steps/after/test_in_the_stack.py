"""One running stack and one real browser: a person's click, and a person's answer, lead to newly scored posts.

The tests run in the order in which they stand, and those of ``test_in_the_stack_itself`` after them: version 2, the
opposite of version 1, is made champion in MLflow's UI; then version 3, which is version 1 again, waits for approval in
Airflow; then it is rolled back on the command line; then version 4 waits for an answer that nobody gives.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from tests.steps.after.browsing import SIZES, dead, focus, log_in, shot, violations

from aufruf import stack
from aufruf.cli import main
from aufruf.release.registry import CHAMPION, PREVIOUS
from aufruf.stack.api import Airflow, fetch
from aufruf.steps.evaluate import evaluate
from aufruf_airflow.links import PAGES

CHROMIUM = os.environ.get("AUFRUF_TEST_CHROMIUM") or "/usr/bin/chromium"
PATIENCE = 400.0  # seconds for anything to happen on two busy cores; what it takes is a fraction


@pytest.fixture(scope="session", autouse=True)
def in_order(request: pytest.FixtureRequest) -> None:
    """Each test goes on where the one before it ended: chosen without that one, it is skipped; no stack starts."""
    names = [name for name in globals() if name.startswith("test_")]
    chosen = [item.name for item in request.session.items if item.path == Path(__file__)]
    if chosen != names[: len(chosen)]:
        pytest.skip("these tests follow each other: run the file whole, or from its first test on")


def _until(what: str, look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(1)
    return found


@pytest.fixture
def page(up) -> Iterator[Any]:
    """A page of headless Chromium; where there is none the test is skipped and says so, but with CI set it fails."""
    if not Path(CHROMIUM).exists() and not os.environ.get("CI"):
        pytest.skip(f"no browser at {CHROMIUM}; AUFRUF_TEST_CHROMIUM may name another")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(bypass_csp=True)  # axe-core is a script of the test's; a policy is tested elsewhere
        opened.set_default_timeout(120_000)
        yield opened
        browser.close()


def _announced(up) -> list[str]:
    """The versions that asset events announced, in order."""
    found = Airflow(up.settings).get("assets/events", order_by="timestamp", limit=100) or {"asset_events": []}
    return [event["extra"]["version"] for event in found["asset_events"] if event["name"] == "call_to_action.champion"]


def _aliases(up) -> dict[str, str | None]:
    found = {name: up.registry.by_alias(name) for name in (CHAMPION, PREVIOUS)}
    return {name: version.version if version else None for name, version in found.items()}


def _scored(up, text_id: str, version: str) -> Callable[[], bool]:
    return lambda: any(row["model_version"] == version for row in up.predictions(text_id=text_id))


def test_a_click_in_mlflow_scores_the_posts(up, page) -> None:
    """Version 2 is given the alias in the UI; its webhook starts the scoring, and the old champion is previous."""
    [text_id] = up.posts("Kommt am Samstag alle zum Infostand!")
    page.goto(f"http://127.0.0.1:{up.settings.mlflow_port}/#/models/call_to_action/versions/2")
    page.get_by_text("Aliases").first.wait_for()
    page.locator("[data-component-id*='modelversionviewaliaseditor']").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill("champion")
    dialog.get_by_role("combobox").press("Enter")
    dialog.get_by_role("button", name="Save aliases").click()
    dialog.wait_for(state="hidden")
    _until("the event", lambda: _announced(up) == ["2"])
    _until("the scoring by version 2", _scored(up, text_id, "2"))
    runs = Airflow(up.settings).get("dags/call_to_action.score/dagRuns", order_by="-run_after")["dag_runs"]
    assert "asset_triggered" in {run["run_type"] for run in runs}
    assert _aliases(up) == {CHAMPION: "2", PREVIOUS: "1"}
    rows = up.store.read("champions").sort_values("since")
    assert rows[["version", "how"]].values.tolist() == [["1", "gate"], ["2", "hand"]]


def test_a_day_starts_on_the_classifiers_page(up, page) -> None:
    """Found in the menu by keyboard; whole wide and narrow, light and dark; no link is dead, nothing hard to use."""
    airflow = stack.environment.urls(up.settings)["airflow"]
    log_in(page, airflow, stack.environment.password(up.settings))
    page.get_by_role("button", name="Browse").click()
    with page.expect_popup() as opened:
        page.get_by_label("MLflow").click()
    opened.value.wait_for_url(f"http://127.0.0.1:{up.settings.mlflow_port}/**")
    opened.value.close()
    page.keyboard.press("Escape")
    focus(page, "Call to action")
    page.keyboard.press("Enter")
    framed = page.frame_locator("iframe")
    framed.get_by_role("heading", level=1).wait_for()
    shot(page, "classifier-in-airflow")
    page.goto(f"{airflow}/aufruf/classifiers/call_to_action/")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{size} pages do not overflow"
            shot(page, f"classifier-{size}-{scheme}")
    assert "Version 2" in page.locator("main").inner_text()
    assert dead(page) == []
    focus(page, "Task file for Label Studio")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert {"data"} <= set(json.loads(Path(download.value.path()).read_text("utf-8"))[0])


def _from_the_form(up, page) -> str:
    """A train run, started with Airflow's form; the run's id."""
    page.goto(f"{stack.environment.urls(up.settings)['airflow']}/dags/call_to_action.train")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("preset").first.wait_for()
    shot(page, "trigger-form")
    dialog.get_by_role("button", name="Trigger").click()
    dialog.wait_for(state="hidden")
    runs = "dags/call_to_action.train/dagRuns"
    found = _until("the run", lambda: Airflow(up.settings).get(runs, order_by="-run_after")["dag_runs"])
    return found[0]["dag_run_id"]


def _promoting(up, run_id: str) -> str:
    """The train run starts with ``promote``: nothing is new for the tasks before, and they would cost a minute."""
    airflow = Airflow(up.settings)
    run = f"dags/call_to_action.train/dagRuns/{run_id}"
    done = {"new_state": "success", "include_upstream": True}
    url = f"{airflow.url}/api/v2/{run}/taskInstances/evaluate"
    _until("the tasks to be skipped over", lambda: fetch(url, done, airflow._login(), method="PATCH"))
    return run


def _ended(up, run: str) -> dict[str, str]:
    """The state of each task when the run has ended."""
    airflow = Airflow(up.settings)
    _until("the end of the run", lambda: airflow.get(run)["state"] in {"success", "failed"})
    tasks = airflow.get(f"{run}/taskInstances", limit=100)["task_instances"]
    return {task["task_id"]: task["state"] for task in tasks}


def test_a_run_waits_for_a_person_and_takes_the_answer(up, page) -> None:
    """A run from the form parks without a worker and shows the evidence; a click makes version 3 champion and score."""
    [text_id] = up.posts("Spendet jetzt für die Kampagne!", start=10)
    log_in(page, stack.environment.urls(up.settings)["airflow"], stack.environment.password(up.settings))
    airflow, run = Airflow(up.settings), _promoting(up, _from_the_form(up, page))
    ask = f"{run}/taskInstances/approval.ask"
    _until("the question", lambda: (airflow.get(ask) or {}).get("state") == "awaiting_input")
    asked = airflow.get(f"{ask}/-1/hitlDetails")
    assert asked["subject"] == "call_to_action: shall version 3 become champion instead of version 2?"
    assert "| f1 | " in asked["body"]
    assert "/runs/" in asked["body"]
    assert airflow.get("pools/gpu")["occupied_slots"] == 0
    page.goto(f"{airflow.url}/aufruf/classifiers/call_to_action/")
    waiting = page.get_by_role("link", name="Answer in Airflow")
    page.goto(urljoin(page.url, waiting.get_attribute("href")))
    page.get_by_role("link", name="shall version 3 become champion").first.click()
    page.get_by_role("button", name="Promote").wait_for()
    shot(page, "approval")
    page.wait_for_timeout(8000)  # a person reads: an answer before Airflow has seen the question's process end is lost
    page.get_by_role("button", name="Promote").click()
    assert _until("the answer", lambda: airflow.get(f"{ask}/-1/hitlDetails")["response_received"])
    _until("the scoring by version 3", _scored(up, text_id, "3"))
    states = _ended(up, run)
    assert (states["approval.settled"], states["new_champion"], states["report"]) == ("success", "skipped", "success")
    assert _announced(up) == ["2", "3"], "once by the webhook, and not again by the run"
    rows = up.store.read("decisions", {"challenger": "3"}).sort_values("at")
    assert rows[["verdict", "decided_by"]].values.tolist() == [["waiting", None], ["promoted", "person:admin"]]
    assert up.store.read("champions").sort_values("since").iloc[-1][["version", "how"]].tolist() == ["3", "approval"]
    note = airflow.get(run)["note"]
    assert [name for name in ("Classifier", "Report of the day", "Champions") if f"[{name}](http" not in note] == []
    passed_on = airflow.get(f"{ask}/xcomEntries/return_value", deserialize="true")["value"]
    assert passed_on == {"approved": True, "by": "admin"}


def test_from_the_page_to_mlflow_and_back(up, page) -> None:
    """The new champion's page in MLflow shows its card, which leads to its evaluation, served by Airflow."""
    airflow = stack.environment.urls(up.settings)["airflow"]
    up.registry.tag("3", {"aufruf.run_url": f"{airflow}/dags/call_to_action.train"})  # as training in Airflow does
    evaluate(replace(up.settings, pages_url=f"{airflow}{PAGES}"), up.gate(resamples=100), "3")
    log_in(page, airflow, stack.environment.password(up.settings))
    page.goto(f"{airflow}{PAGES}/call_to_action/")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Version 3 in MLflow").click()
    version = opened.value
    version.get_by_role("link", name="The run that trained it").wait_for()
    assert version.url.endswith("/#/models/call_to_action/versions/3")
    shot(version, "version-in-mlflow")
    with version.expect_popup() as opened:
        version.get_by_role("link", name="Evaluation", exact=True).click()
    opened.value.get_by_role("heading", name="Version 3 on the test set").wait_for()
    assert opened.value.url.startswith(f"{airflow}{PAGES}/call_to_action/reports/")


def test_a_rollback_on_the_command_line_is_noticed(up, capfd, monkeypatch) -> None:
    """While the stack is up the command goes through the server, whose webhook tells Airflow."""
    environment = {
        "AUFRUF_CLASSIFIERS": str(up.settings.classifiers),
        "AUFRUF_AIRFLOW_PORT": str(up.settings.airflow_port),
        "AUFRUF_MLFLOW_PORT": str(up.settings.mlflow_port),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["rollback", "--json", "--home", str(up.settings.home)]) == 0
    assert json.loads(capfd.readouterr().out) == {"champion": "2", "replaced": "3", "status": "new"}
    _until("the event", lambda: _announced(up) == ["2", "3", "2"])
    assert _aliases(up) == {CHAMPION: "2", PREVIOUS: "3"}


def test_nobody_answers_and_the_champion_stays(up) -> None:
    """When the time of the file is up the scheduler goes on: version 4 is kept, and nobody is said to have decided."""
    file = up.settings.classifiers / "call_to_action.toml"
    file.write_text(file.read_text("utf-8").replace("[gate]\n", "[gate]\nanswer_hours = 0.003\n"), "utf-8")
    up.register_again()
    states = _ended(up, _promoting(up, Airflow(up.settings).trigger("call_to_action.train")))
    assert (states["approval.ask"], states["approval.settled"], states["report"]) == ("success",) * 3
    rows = up.store.read("decisions", {"challenger": "4"}).sort_values("at")
    assert rows[["verdict", "decided_by"]].values.tolist() == [["waiting", None], ["kept", "nobody"]]
    assert json.loads(rows.iloc[-1]["reasons"])[0] == "nobody answered in time about version 4"
    assert _aliases(up) == {CHAMPION: "2", PREVIOUS: "3"}


def test_the_webhook_is_there_once(up) -> None:
    """Starting the stack again makes no second one."""
    api = f"http://127.0.0.1:{up.settings.mlflow_port}/api/2.0/mlflow/webhooks"
    urls, secret = stack.environment.urls(up.settings), stack.environment.webhook_secret(up.settings)
    assert stack.webhook.register(urls["mlflow"], urls["airflow"], secret)
    assert [one["name"] for one in fetch(api)["webhooks"]] == ["aufruf"]


def test_people_were_told(up, chat) -> None:
    """The chat has heard of the file that was held back, of each version that waited, and of the one that was promoted.

    Nothing of it came twice, and no post's text is in it.
    """
    kinds = ("Data was held back: ", "version 3 waits for approval: ", "version 3 was promoted: ", "version 4 waits ")
    assert [sum(kind in one for one in chat) for kind in kinds] == [1, 1, 1, 1], chat
    assert len(chat) == len(kinds), chat
    assert all("http://127.0.0.1:" in one for one in chat), "each leads to where it happened"
    assert not any("Spendet" in one or "Infostand" in one for one in chat)


def test_a_failed_run_says_what_to_do(up) -> None:
    """The file that lay in the inbox failed its run of `ingest`, whose note says what was wrong and what comes next."""
    airflow = Airflow(up.settings)

    def failed() -> list[str]:
        runs = (airflow.get("dags/ingest/dagRuns", state="failed", limit=10) or {"dag_runs": []})["dag_runs"]
        return [run["note"] or "" for run in runs]

    [note] = _until("the failed run", failed)
    assert note.startswith("refusals: shopping.csv: no known format")
    assert "Name its columns" in note
    assert note.endswith("/aufruf/classifiers/)"), "and leads to the list of classifiers"
