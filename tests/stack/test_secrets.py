"""Who is told the stack's secrets, and which secrets are believed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from aufruf.errors import StackError
from aufruf.settings import Settings
from aufruf.stack import environment
from aufruf.stack.api import Airflow


@pytest.fixture
def stranger() -> Iterator[tuple[int, list[str]]]:
    """The port of a server that is not ours and answers everything with yes; what it was told."""
    told: list[str] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(f"{self.headers} {self.rfile.read(int(self.headers['Content-Length'])).decode()}")
            self._yes({"access_token": "token", "dag_run_id": "run"})

        def do_GET(self) -> None:
            told.append(str(self.headers))
            self._yes({"dags": []})

        def _yes(self, answer: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, told
    server.shutdown()
    server.server_close()


def test_a_stranger_on_the_port_is_not_told_the_password(tmp_path: Path, stranger: tuple[int, list[str]]) -> None:
    """Our API server has ended and somebody else listens: nothing is asked of it, and no run is said to have begun."""
    port, told = stranger
    settings = replace(Settings.load(tmp_path, env={}), airflow_port=port)
    airflow = Airflow(settings)
    assert airflow.dags() == set()
    with pytest.raises(StackError, match="did not start the run"):
        airflow.trigger("ingest")
    assert told == []


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_secret_is_refused(tmp_path: Path, content: str) -> None:
    """It is not the secret that was made; the message names the file, which stays as it is."""
    settings = Settings.load(tmp_path, env={})
    environment.password(settings)
    file = environment.password_file(settings)
    file.write_text(content, "utf-8")
    with pytest.raises(StackError, match=r"passwords\.json: the secret is empty\. Take the file from a backup"):
        environment.password(settings)
    assert file.read_text("utf-8") == content
