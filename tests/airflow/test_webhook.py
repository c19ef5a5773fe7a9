"""The endpoint that MLflow's webhook calls believes nobody who cannot sign, and says one thing once."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory, recipe: str, make: Any, empty_database: Path) -> dict[str, Any]:
    """What each call of ``webhook_calls.py`` was answered: status, text, and the asset events that it wrote."""
    site = make(tmp_path_factory.mktemp("webhook"), call_to_action=recipe)
    (site.home / "airflow").mkdir()
    (site.home / "airflow" / "airflow.db").write_bytes(empty_database.read_bytes())
    secret = site.home / "webhook.secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    script = str(Path(__file__).with_name("webhook_calls.py"))
    done = site.python(script, str(ROOT / "plugins"), AUFRUF_WEBHOOK_SECRET_FILE=str(secret))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "s3cret" not in done.stdout + done.stderr
    return found


def test_a_signed_delivery_becomes_one_asset_event(calls: dict[str, Any]) -> None:
    """The event names the version and the delivery; the next delivery makes the next event."""
    status, _, [event] = calls["good"]
    assert (status, event["version"], len(event["delivery"])) == (202, "7", 36)
    status, _, [event] = calls["next"]
    assert (status, event["version"]) == (202, "8")


def test_a_replay_is_refused(calls: dict[str, Any]) -> None:
    """The same delivery a second time is a conflict, and no event."""
    assert calls["replayed"] == [409, '{"status":"replayed"}', []]


@pytest.mark.parametrize(
    "case",
    [
        "unsigned",
        "other secret",
        "no secret",
        "other body",
        "other delivery",
        "other time",
        "other scheme",
        "no base64",
        "old",
        "ahead",
        "no number",
        "secret lost",
        "secret lost, empty one used",
    ],
)
def test_what_is_not_proved_is_refused_without_a_word(calls: dict[str, Any], case: str) -> None:
    """Every failed proof gets the same answer, and writes nothing."""
    assert calls[case] == [401, '{"status":"unproven"}', []]


@pytest.mark.parametrize("case", ["large", "large unsigned"])
def test_a_large_body_is_not_read_to_its_end(calls: dict[str, Any], case: str) -> None:
    """Whoever calls, and however the length is announced, 16 KiB are the limit."""
    assert calls[case] == [413, '{"status":"too large"}', []]


@pytest.mark.parametrize("case", ["no json", "a list", "no data", "number"])
def test_a_signed_body_of_another_shape_is_refused(calls: dict[str, Any], case: str) -> None:
    """A signature is no licence for nonsense."""
    assert calls[case] == [422, '{"status":"unreadable"}', []]


@pytest.mark.parametrize("case", ["other alias", "other model", "other event"])
def test_what_concerns_no_champion_is_ignored(calls: dict[str, Any], case: str) -> None:
    """Other aliases, models of no classifier and other events are answered kindly and write nothing."""
    assert calls[case] == [200, '{"status":"ignored"}', []]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_post_is_answered(calls: dict[str, Any], method: str) -> None:
    """Even with a good signature."""
    assert [calls[method][0], calls[method][2]] == [405, []]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/"])
def test_nothing_else_is_served(calls: dict[str, Any], path: str) -> None:
    """No documentation, no schema, no index."""
    assert [calls[path][0], calls[path][2]] == [404, []]


def test_without_a_secret_nothing_is_mounted(make: Any, tmp_path: Path) -> None:
    """An installation that names no secret file has no endpoint at all."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import registry_webhook as r; print(r.RegistryWebhook.%s)"
    done = make(tmp_path).python("-c", code % "fastapi_apps", str(ROOT / "plugins"))
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
