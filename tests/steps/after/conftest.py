"""Homes to change: copies of the one in which two nights have passed, each at a place of its own."""

import json
import math
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aufruf import stack
from aufruf.classifier import Classifier, choose
from aufruf.data.identity import digest, group_id
from aufruf.model import bundle, canaries
from aufruf.release.registry import Registry, Version
from aufruf.release.tracking import Tracker
from aufruf.schemas import Text
from aufruf.settings import Settings
from aufruf.stack import processes
from aufruf.steps.restore import move
from aufruf.store import Store


@dataclass(frozen=True)
class After:
    """A home after two nights: version 1 is champion, everything is scored."""

    settings: Settings
    classifier: Classifier

    @property
    def store(self) -> Store:
        return Store(self.settings.lake)

    @property
    def registry(self) -> Registry:
        return Registry(self.settings, self.classifier.name)

    def gate(self, **changed: object) -> Classifier:
        return self.classifier.model_copy(update={"gate": self.classifier.gate.model_copy(update=changed)})

    def posts(self, *texts: str, start: int = 0) -> list[str]:
        """Put new posts into the lake; returns their ids."""
        now, rows = datetime.now(UTC), []
        for n, text in enumerate(texts, start):
            about = ("caption", "post", "instagram", "Ada", "GRÜNE", now, now)
            rows.append(Text(f"new:{n}:caption", f"new:{n}", text, *about, digest(text), group_id(text), "f"))
        self.store.put("texts", rows)
        return [row.text_id for row in rows]

    def predictions(self, **where: str) -> list[dict]:
        rows = self.store.read("predictions", {"classifier": self.classifier.name, **where})
        return rows.sort_values(["text_id", "digest"]).to_dict("records")

    def register_again(self, change: Callable[[dict, float], None] | None = None) -> Version:
        """Version 1's files, with changed weights if wanted, sealed and registered as the next version."""
        from safetensors.numpy import load_file, save_file

        first = self.registry.get("1")
        folder = self.settings.home / "again"
        shutil.copytree(self.registry.fetch(first), folder)
        card = bundle.verify(folder)
        if change:
            (folder / canaries.NAME).unlink()  # they are what the first version said
            weights = load_file(folder / "model.safetensors")
            change(weights, card.threshold)
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        manifest = bundle.seal(folder, replace(card, fingerprint=f"again-{change}"))
        tags = {"aufruf.manifest": manifest, "aufruf.threshold": card.threshold, "aufruf.fingerprint": str(change)}
        with Tracker(self.settings, self.classifier.name).run("train", {}, {}) as run:
            made = self.registry.register(run, run.artifacts(folder, "model"), tags, first.description)
        shutil.rmtree(folder)
        return made


def spoil(weights: dict, threshold: float) -> None:
    """No number to any text."""
    weights["classifier.bias"] = weights["classifier.bias"] * float("nan")


@pytest.fixture
def spoilt() -> Callable[[dict, float], None]:
    return spoil


@pytest.fixture(scope="session")
def turned() -> Callable[[dict, float], None]:
    """The opposite answer to every text: each difference of logits as far on the other side of the threshold."""

    def turn(weights: dict, threshold: float) -> None:
        for name in ("classifier.weight", "classifier.bias"):
            weights[name] = -weights[name]
        weights["classifier.bias"][1] += 2 * math.log(threshold / (1 - threshold))

    return turn


@pytest.fixture(scope="session")
def make_after(nights) -> Callable[..., After]:
    """``make_after(home, source)``: the home of the nights, or another that was made of it, copied to ``home``."""

    def make(home: Path, source: Path = nights.settings.home) -> After:
        shutil.copytree(source, home)
        move(home / "mlflow" / "mlflow.db", str(source), str(home))
        settings = Settings.load(home, env={"AUFRUF_CLASSIFIERS": str(nights.settings.classifiers)})
        return After(settings, nights.classifier)

    return make


@pytest.fixture
def after(make_after, tmp_path: Path) -> After:
    return make_after(tmp_path / "home")


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in (one, other)]


@pytest.fixture(scope="session")
def chat() -> Iterator[list[str]]:
    """What a chat was told: the environment variable CAMPAIGN_CHAT holds its address."""
    told: list[str] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMPAIGN_CHAT", f"http://127.0.0.1:{server.server_port}/")
        yield told
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def up(make_after, turned, chat, tmp_path_factory) -> Iterator[Any]:
    """The stack on a home where version 1 is champion, 2 its opposite, and 3 the same as 1; people approve and chat."""
    folder = tmp_path_factory.mktemp("stack")
    after = make_after(folder / "home")
    classifiers = shutil.copytree(after.settings.classifiers, folder / "classifiers")
    file = classifiers / "call_to_action.toml"
    hour = (datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(hours=12)).hour  # no night comes between
    away = f'[schedule]\ntrain = "0 {hour} * * *"\n[notify]\nwebhook = "CAMPAIGN_CHAT"\n'
    file.write_text(file.read_text("utf-8").replace("[gate]\n", f'{away}[gate]\nmode = "approve"\n'), "utf-8")
    airflow, mlflow = _free_ports()
    settings = replace(after.settings, classifiers=classifiers, airflow_port=airflow, mlflow_port=mlflow)
    after = replace(after, settings=settings, classifier=choose(settings, None))
    after.register_again(turned)
    after.register_again()
    settings.inbox_posts.mkdir(parents=True, exist_ok=True)
    refused = settings.inbox_posts / "shopping.csv"  # for test_a_failed_run_says_what_to_do
    refused.write_text("item,price\nbread,3\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUFRUF_DAGS", str(Path(__file__).resolve().parents[3] / "dags"))
        try:
            assert stack.up(settings)["status"] == "up"
            yield after
        finally:
            processes.end(settings.home, patience=5)
