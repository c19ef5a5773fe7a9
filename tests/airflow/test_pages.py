"""Nobody gets in who should not: every route that a plugin adds is asked by every kind of stranger."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRANGERS = ["nothing", "garbage cookie", "garbage bearer", "unsigned", "expired", "basic"]
OURS = "/aufruf/classifiers"
SIGNED = "POST /aufruf/registry/alias"  # believes a signature, not a session: test_webhook.py
PLANTED = "planted"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, recipe: str, make: Any, empty_database: Path) -> dict[str, Any]:
    """What ``page_calls.py`` was answered where there are a report, and files that are nobody's business."""
    site = make(tmp_path_factory.mktemp("pages"), call_to_action=recipe)
    (site.home / "airflow").mkdir()
    (site.home / "airflow" / "airflow.db").write_bytes(empty_database.read_bytes())
    reports = site.home / "reports"
    day, checks = reports / "call_to_action" / "2026-11-25", reports / "checks"
    for folder in (day, checks):
        folder.mkdir(parents=True)
    (day / "index.html").write_text("<!doctype html><title>The day</title>", "utf-8")
    (checks / "0123456789ab.html").write_text("<!doctype html><title>The checks</title>", "utf-8")
    inbox = site.home / "inbox" / "posts"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "posts.csv").write_text("a\n", "utf-8")
    secret = site.home / "secret.html"
    for planted in (secret, reports / "secret.html", day / ".draft.html", day / "notes.py"):
        planted.write_text(PLANTED, "utf-8")
    (day / "link.html").symlink_to(secret)
    (checks / "link.html").symlink_to(secret)
    (reports / "call_to_action" / "linked").symlink_to(site.home)
    webhook = site.home / "webhook.secret"
    webhook.write_text("s3cret", "utf-8")
    done = site.python(
        str(Path(__file__).with_name("page_calls.py")),
        AUFRUF_WEBHOOK_SECRET_FILE=str(webhook),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
        AIRFLOW__API__BASE_URL="http://airflow.example:8080",
        AIRFLOW__API_AUTH__JWT_SECRET="x" * 64,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_route_is_one_that_can_be_asked(asked: dict[str, Any]) -> None:
    """No plugin mounts a folder or an application, whose routes the tests below would not see."""
    assert asked["kinds"] == ["APIRoute"]
    assert SIGNED in asked["routes"]
    assert f"GET {OURS}/{{classifier}}/" in asked["routes"]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_stranger_gets_anything_from_any_route(asked: dict[str, Any], stranger: str) -> None:
    """Without a valid session, or a signature where that is asked for, each route refuses and shows nothing."""
    answers = {route: roles[stranger] for route, roles in asked["routes"].items()}
    assert {route for route, answer in answers.items() if answer["status"] not in {401, 403}} == set()
    assert [route for route, answer in answers.items() if "call_to_action" in answer["text"]] == []


def test_who_may_not_read_the_dag_sees_nothing_of_the_classifier(asked: dict[str, Any]) -> None:
    """A session without the permission is refused everywhere; the list of classifiers is empty for it."""
    answers = {route: roles["no role"] for route, roles in asked["routes"].items() if route != SIGNED}
    front = answers.pop(f"GET {OURS}/")
    assert {answer["status"] for answer in answers.values()} == {403}
    assert (front["status"], "call_to_action" in front["text"]) == (200, False)
    assert asked["other classifier, no role"]["status"] == 403, "what exists is told to nobody who may not see it"
    assert asked["other classifier"]["status"] == 404


@pytest.mark.parametrize("role", ["viewer", "viewer, bearer", "viewer, on loopback"])
def test_who_may_read_the_dag_sees_the_page_the_report_and_the_download(asked: dict[str, Any], role: str) -> None:
    """The cookie of Airflow's UI opens every route, and so does the same token as a bearer."""
    answers = {route: roles[role] for route, roles in asked["routes"].items() if route != SIGNED}
    slash = answers.pop(f"GET {OURS}/{{classifier}}")
    assert {route: answer["status"] for route, answer in answers.items() if answer["status"] != 200} == {}
    assert (slash["status"], slash["headers"]["location"]) == (307, "call_to_action/"), "no Host has a say in it"
    assert "No model scores the posts yet" in answers[f"GET {OURS}/{{classifier}}/"]["text"]
    assert "The day" in answers[f"GET {OURS}/{{classifier}}/reports/{{path:path}}"]["text"]
    assert answers[f"GET {OURS}/{{classifier}}/queue/{{which}}.json"]["text"] == "[]"


def test_who_may_not_read_ingest_sees_nothing_of_the_files(asked: dict[str, Any]) -> None:
    """Files hold the votes and posts of every classifier: the page opens without them, their checks do not open."""
    page, checks = asked["without ingest"].values()
    assert (page["status"], checks["status"]) == (200, 403)
    assert "may read the DAG <code>ingest</code>" in page["text"]
    assert "Files in the inbox" not in page["text"]
    assert "Files in the inbox" in asked["routes"][f"GET {OURS}/{{classifier}}/"]["viewer"]["text"]


def test_a_forged_host_is_refused(asked: dict[str, Any]) -> None:
    """Also with a good session: the configured address and loopback are the only ones."""
    answers = {route: roles["viewer, forged host"] for route, roles in asked["routes"].items() if route != SIGNED}
    assert {answer["status"] for answer in answers.values()} == {421}
    assert [route for route, answer in answers.items() if "evil.example" in json.dumps(answer)] == []


def test_every_answer_carries_the_headers(asked: dict[str, Any]) -> None:
    """Refusals too: framed by Airflow only, nothing sniffed, nothing kept, no request and no script but ours."""
    answers = [answer for route, roles in asked["routes"].items() if route != SIGNED for answer in roles.values()]
    for answer in [*answers, *asked["odd"].values(), *asked["writes"].values()]:
        headers = answer["headers"]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "SAMEORIGIN"
    report = asked["routes"][f"GET {OURS}/{{classifier}}/reports/{{path:path}}"]["viewer"]
    sandbox = report["headers"]["content-security-policy"].partition("sandbox")[2]
    assert sandbox
    assert "allow-same-origin" not in sandbox, "a report has no share in Airflow's session"
    assert "allow-top-navigation" not in sandbox.split(), "only who clicks leaves Airflow"


def test_no_path_leads_out_of_the_reports(asked: dict[str, Any]) -> None:
    """Neither dots, however they are quoted, nor links, nor hidden files, nor other kinds of files."""
    assert [case for case, answer in asked["odd"].items() if PLANTED in answer["text"]] == []
    assert {case: answer["status"] for case, answer in asked["odd"].items() if answer["status"] not in {404, 422}} == {}


def test_nothing_can_be_changed(asked: dict[str, Any]) -> None:
    """No page takes anything but GET, whoever asks: there is no button that another site could press."""
    assert {answer["status"] for answer in asked["writes"].values()} == {405}
    assert asked["large"]["status"] == 405, "a large body is answered without being read"
    assert asked["docs"] == [401, 401]
    ours = [route for route in asked["routes"] if not route.startswith("GET ")]
    assert ours == [SIGNED]


def test_an_airflow_without_login_shows_the_page_on_loopback_only(asked: dict[str, Any]) -> None:
    """SIMPLE_AUTH_MANAGER_ALL_ADMINS opens the page as it opens Airflow, but to no name that somebody made up."""
    for opened in ("with an address", "without one"):
        assert asked[f"open, {opened}, 127.0.0.1"] == 200
        assert asked[f"open, {opened}, evil.example"] == 421


def test_the_api_server_loads_no_model(asked: dict[str, Any]) -> None:
    """After every page was asked for, neither torch nor MLflow is there."""
    assert asked["loaded"] == []
