"""The same with a real MLflow server, on SQLite and on PostgreSQL: what happens to alias, version and files."""

import hashlib
import shutil
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import pytest
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent

from aufruf.errors import AufrufError
from aufruf.model import bundle
from aufruf.release import server as release_server
from aufruf.release.registry import CHAMPION, PREVIOUS
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings
from aufruf.steps.champion import champion
from aufruf.steps.promote import promote
from aufruf.steps.rollback import rollback
from aufruf.steps.score import score
from aufruf_airflow.webhook import Moved, prove, read


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request):
    return request.getfixturevalue({"sqlite": "mlflow_server", "postgresql": "mlflow_on_postgresql"}[request.param])


@pytest.fixture
def served(after, nights, server, request):
    """A home whose registry is the server: versions 1 and 2 of a model of the test's own; 1 is champion."""
    name = "c_" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]
    settings = Settings.load(
        after.settings.home,
        env={"AUFRUF_CLASSIFIERS": str(after.settings.classifiers), "MLFLOW_TRACKING_URI": server.uri},
    )
    shutil.rmtree(settings.home / "lake")
    [source] = nights.settings.bundles.glob("*/1-*")
    made = replace(after, settings=settings, classifier=after.classifier.model_copy(update={"name": name}))
    for number in ("one", "two"):
        folder = settings.home / number
        shutil.copytree(source, folder)
        manifest = bundle.seal(folder, replace(bundle.verify(folder), fingerprint=number))
        with Tracker(settings, name).run("train", {}, {}) as run:
            made.registry.register(run, run.artifacts(folder, "model"), {"aufruf.manifest": manifest})
    promote(settings, made.classifier, "1")
    made.posts("Kommt alle zum Infostand!", "Das war ein schönes Fest.")
    return made


def _alias(served, name: str) -> str | None:
    found = served.registry.by_alias(name)
    return found.version if found else None


def test_promotion_and_rollback(served):
    """A version promoted with the command scores, a roll-back scores again with the one before, aliases follow."""
    assert score(served.settings, served.classifier)["model_version"] == "1"
    assert promote(served.settings, served.classifier, "2")["verdict"] == "promoted"
    assert (_alias(served, CHAMPION), _alias(served, PREVIOUS)) == ("2", "1")
    found = score(served.settings, served.classifier)
    assert (found["model_version"], found["scored"]) == ("2", 2)
    assert rollback(served.settings, served.classifier)["champion"] == "1"
    assert score(served.settings, served.classifier)["already_scored"] == 2


@pytest.mark.parametrize("spoil", ["lost", "tampered", "deleted"])
def test_a_spoilt_champion_is_refused_and_the_one_before_goes_on(served, server, spoil):
    """Whatever happened to version 2 on the server, version 1 scores, and it is said why."""
    score(served.settings, served.classifier)
    served.registry.point(CHAMPION, "2")
    [folder] = {path.parent for path in server.folder.glob("served/**/model.safetensors") if _is(path, served, "2")}
    if spoil == "lost":
        shutil.rmtree(folder)
    elif spoil == "tampered":
        (folder / "config.json").write_text("{}")
    else:
        champion(served.settings, served.classifier)
        served.registry.client.delete_model_version(served.classifier.name, "2")
    served.posts("Geht am Sonntag wählen!", start=7)
    found = score(served.settings, served.classifier)
    assert (found["model_version"], found["scored"]) == ("1", 1)
    assert found["champion_refused"]["version"] == "2"


def _is(path: Path, served, version: str) -> bool:
    return served.registry.get(version).run_id in path.parts


def test_a_server_that_is_down_is_waited_for_and_nothing_is_guessed(served, server, monkeypatch):
    """Without the registry nobody knows who is champion: scoring fails after its patience, and later goes on."""
    monkeypatch.setattr(release_server, "PATIENCE", 1.0)
    server.stop()
    try:
        with pytest.raises(AufrufError, match="the MLflow server has not answered"):
            score(served.settings, served.classifier)
        assert served.store.count("predictions") == 0
    finally:
        server.start()
    assert score(served.settings, served.classifier)["scored"] == 2


def test_mlflow_signs_as_we_verify(served):
    """An alias moved through the server reaches a listener in a delivery whose signature and content we accept."""
    calls: Queue = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            calls.put((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    client, event = served.registry.client.inner, WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
    url = f"http://127.0.0.1:{listener.server_port}/"
    made = client.create_webhook(name="w", url=url, events=[event], secret="s3cret")
    try:
        client.set_registered_model_alias(served.classifier.name, CHAMPION, "2")
        headers, body = calls.get(timeout=60)
        lowered = {key.lower(): value for key, value in headers.items()}
        assert len(prove(lowered, body, "s3cret", float(lowered["x-mlflow-timestamp"]))) == 36
        assert read(body) == Moved(served.classifier.name, CHAMPION, "2")
    finally:
        client.delete_webhook(made.webhook_id)
        listener.shutdown()
