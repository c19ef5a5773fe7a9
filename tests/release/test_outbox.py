"""What a run tells is not lost, doubled or in the way, whatever the server does meanwhile. A real server and disk."""

import contextlib
import errno
import json
import os
import signal
import socket
import sqlite3
import time
from contextvars import ContextVar
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer, current_thread

import boto3
import pytest
import requests
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from moto.server import ThreadedMotoServer

from aufruf.errors import AufrufError
from aufruf.release import journal, outbox, server, tracking
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings

DYING = """
import os, sys, time
from aufruf.release import outbox
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings
tracker = Tracker(Settings.load(sys.argv[1], env={}), sys.argv[2])
outbox.send = lambda *_: time.sleep(60)  # killed before anything is delivered
run = tracker.start("train", {"aufruf.step": "train"}, {"epochs": 3})
for step in (1, 2):
    run.epoch(step, {"epoch": step, "f1": step / 10})
run.figure("a.png", b"drawn")
os.kill(os.getpid(), 9)
"""


class Door:
    """A way to the server that can be shut in a moment and opened again: a forwarder on a port of its own."""

    def __init__(self, behind: int) -> None:
        self.behind, self.listener = behind, None
        self.streams: list[socket.socket] = []
        self.place = socket.socket()  # never listens: nobody else is given the port while the door is shut
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]

    def open(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._let_in, args=[self.listener], daemon=True).start()

    def shut(self) -> None:
        for one in (self.listener, *self.streams):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.streams.clear()

    def _let_in(self, listener: socket.socket) -> None:
        while True:
            try:
                caller = listener.accept()[0]
            except OSError:
                return
            try:
                ends = [caller, socket.create_connection(("127.0.0.1", self.behind))]
            except OSError:  # nobody is behind the door at this moment; later there may be
                caller.close()
                continue
            self.streams += ends
            for source, target in (ends, ends[::-1]):
                Thread(target=self._carry, args=[source, target], daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(autouse=True)
def _not_for_ever(monkeypatch):
    """A server that is away for good ends a test, not the patience of whoever runs it."""
    monkeypatch.setattr(server, "PATIENCE", 60.0)


@pytest.fixture
def door(mlflow_server):
    made = Door(mlflow_server.port)
    made.open()
    yield made
    made.shut()
    made.place.close()


@pytest.fixture
def behind_door(settings, door, tmp_path):
    """Settings of a home of its own, whose tracking server can be out of reach."""
    return replace(settings, home=tmp_path / "home", tracking_uri=f"http://127.0.0.1:{door.port}")


@pytest.fixture
def served(settings, mlflow_server, tmp_path):
    """Settings of a home of its own, whose tracking server may be stopped."""
    return replace(settings, home=tmp_path / "home", tracking_uri=mlflow_server.uri)


@pytest.fixture
def shut_out():
    """``shut_out(status)``: the port of a server that answers everything with this status, and this text."""
    servers = []

    def start(status, text="You are not authenticated.", kind="text/html"):
        class Guarded(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                self.do_POST()

            def do_PUT(self):
                self.do_POST()

            def log_message(self, *_):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Guarded))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.fixture
def on_s3(settings, name, tmp_path, monkeypatch):
    """Settings of a home of its own, in which the files of runs go straight to an S3 store, and one that works."""
    for key, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(key, value)
    store = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    store.start()
    url = "http://{}:{}".format(*store.get_host_and_port())
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="runs")
    away = replace(settings, home=tmp_path / "home")
    server.client(away).create_experiment(name, artifact_location=f"s3://runs/{name}")
    yield away, url
    store.stop()


def history(tracker, run_id, metric="f1"):
    """Steps and values as they were logged, in the order of their time."""
    points = tracker.client.get_metric_history(run_id, metric)
    return [(point.step, point.value) for point in sorted(points, key=lambda point: (point.timestamp, point.step))]


def lying(settings) -> list[str]:
    """What lies in the outbox."""
    folder = settings.mlflow / "outbox"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_server_that_is_away_costs_nothing_and_gets_everything(served, name, mlflow_server):
    """Stopped in the middle of a run: every call returns at once; after the restart all is there, in order, once."""
    tracker = Tracker(served, name)
    with tracker.run("train", {"aufruf.step": "train"}, {"epochs": 20}) as run:
        run.epoch(1, {"epoch": 1, "f1": 0.01})
        mlflow_server.stop()
        start = time.perf_counter()
        for step in range(2, 21):
            run.epoch(step, {"epoch": step, "f1": step / 100})
        run.tag({"aufruf.device": "cpu"})
        run.figure("curves.png", b"drawn")
        run.inputs({"splits": 7, "labels": None})
        took = time.perf_counter() - start
        [kept] = [one for one in lying(served) if one.endswith(".ndjson")]
        assert (served.mlflow / "outbox" / kept).stat().st_size > 1000
        mlflow_server.start()
    assert took < 1.0
    [found] = tracker.find("")
    assert (found.info.status, found.data.tags["aufruf.device"]) == ("FINISHED", "cpu")
    assert history(tracker, run.id) == [(step, step / 100) for step in range(1, 21)]
    assert [one.path for one in tracker.client.list_artifacts(run.id, "figures")] == ["figures/curves.png"]
    [one] = found.inputs.dataset_inputs
    assert (one.dataset.name, one.dataset.digest, one.tags[0].value) == ("splits", "7", "training")
    assert json.loads(one.dataset.source) == {"path": f"{served.lake}/splits", "delta_table_version": 7}
    assert lying(served) == []


def test_a_slow_server_costs_nothing(served, name, mlflow_server):
    """A server that takes requests and does not answer for seconds holds up no epoch."""
    tracker = Tracker(served, name)
    with tracker.run("train", {}, {}) as run:
        mlflow_server.send(signal.SIGSTOP)
        start = time.perf_counter()
        run.history([{"epoch": step, "f1": step / 10} for step in range(1, 6)])
        took = time.perf_counter() - start
        time.sleep(3)
        mlflow_server.send(signal.SIGCONT)
    assert took < 0.5
    assert history(tracker, run.id) == [(step, step / 10) for step in range(1, 6)]
    assert tracker.find("")[0].info.status == "FINISHED"


def test_the_end_waits_so_long_and_the_next_command_delivers(behind_door, name, door, monkeypatch, caplog):
    """With no server the end of a run waits as long as is stated; what is left goes out when a tracker opens next."""
    monkeypatch.setattr(tracking, "END_SECONDS", 1.0)
    tracker = Tracker(behind_door, name)
    run = tracker.start("train", {}, {"epochs": 1})
    door.shut()
    run.epoch(1, {"epoch": 1, "f1": 0.5})
    start = time.perf_counter()
    run.end("FINISHED")
    assert 0.9 < time.perf_counter() - start < 3
    assert "records of run" in caplog.text
    assert [one.startswith(run.id) for one in lying(behind_door)] == [True]
    door.open()
    again = Tracker(behind_door, name)
    assert (again.find("")[0].info.status, again.find("")[0].data.params) == ("FINISHED", {"epochs": "1"})
    assert history(again, run.id) == [(1, 0.5)]
    assert lying(behind_door) == []


def test_another_server_is_not_told_what_was_left_for_one(behind_door, name, door, monkeypatch, caplog):
    """Records wait for the server that knows their run, with a warning, and no other refuses and loses them."""
    monkeypatch.setattr(tracking, "END_SECONDS", 1.0)
    tracker = Tracker(behind_door, name)
    run = tracker.start("train", {}, {"epochs": 1})
    door.shut()
    run.end("FINISHED")
    [left] = lying(behind_door)
    Tracker(Settings.load(behind_door.home, env={}), name)
    assert lying(behind_door) == [left]
    assert "records of 1 runs wait" in caplog.text
    door.open()
    login = replace(behind_door, tracking_uri=behind_door.tracking_uri.replace("//", "//me:secret@"))
    assert Tracker(login, name).client.get_run(run.id).info.status == "FINISHED"
    assert lying(behind_door) == []


def test_the_embedded_registry_is_one_server(tmp_path):
    """What was left for it while the stack was down goes out when it is up, and the other way round."""
    uris = [None, "http://127.0.0.1:5000", "http://localhost:5000/", "http://mlflow.example:5000", "http://x:5000"]
    found = [journal.server(Settings.load(tmp_path, {"MLFLOW_TRACKING_URI": uri} if uri else {})) for uri in uris]
    assert [found.index(one) for one in found] == [0, 0, 0, 3, 4]


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_login_is_said(settings, name, shut_out, status):
    """The error names the variables of the login and no password; nothing is tried for minutes."""
    away = replace(settings, tracking_uri=f"http://me:secret@127.0.0.1:{shut_out(status)}")
    with pytest.raises(AufrufError, match="MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD") as told:
        Tracker(away, name)
    assert "secret" not in str(told.value)


def test_a_login_that_was_changed_loses_nothing(settings, name, shut_out, monkeypatch):
    """While a run is open the password changes: its records wait, and go out when the login is right again."""
    monkeypatch.setattr(tracking, "END_SECONDS", 1.0)
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    stranger = server.client(replace(settings, tracking_uri=f"http://127.0.0.1:{shut_out(401)}")).inner
    run._outbox._client = stranger
    run.epoch(1, {"epoch": 1, "f1": 0.5})
    run.end("FINISHED")
    assert [one.rpartition(".")[2] for one in lying(settings) if one.startswith(run.id)] == ["ndjson"]
    assert history(Tracker(settings, name), run.id) == [(1, 0.5)]
    assert [one for one in lying(settings) if one.startswith(run.id)] == []


@pytest.mark.parametrize(
    ("status", "said", "left"),
    [
        (404, "<html>no such backend</html>", ["ndjson"]),
        (200, "<html>we are back in a minute</html>", ["ndjson"]),
        (521, "<html>the web server is down</html>", ["ndjson"]),
        (413, "<html>request entity too large</html>", ["refused"]),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}', ["refused"]),
    ],
)
def test_what_a_proxy_says_is_no_answer(settings, name, shut_out, monkeypatch, status, said, left):
    """While MLflow restarts, a page of the proxy before it refuses no record; MLflow's own 404, which is JSON, does."""
    monkeypatch.setattr(tracking, "END_SECONDS", 1.0)
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.close()
    proxied = replace(settings, tracking_uri=f"http://127.0.0.1:{shut_out(status, said)}")
    run._outbox._client = server.client(proxied).inner
    run.epoch(1, {"epoch": 1, "f1": 0.5})
    run.end("FINISHED")
    assert [one.rpartition(".")[2] for one in lying(settings) if one.startswith(run.id)] == left
    again = Tracker(settings, name)
    delivered = ([(1, 0.5)], "FINISHED") if left == ["ndjson"] else ([], "RUNNING")
    assert (history(again, run.id), again.client.get_run(run.id).info.status) == delivered


@pytest.mark.parametrize(
    ("kind", "away"),
    [("text/html", True), ("text/plain", True), ("application/json", False), ("application/xml", False)],
)
def test_a_proxy_that_knows_no_store_is_no_answer_of_it(shut_out, tmp_path, kind, away):
    """A file that goes to the store through the tracking server waits, too, unless MLflow itself says 404."""
    (tmp_path / "a.png").write_bytes(b"drawn")
    store = HttpArtifactRepository(f"http://127.0.0.1:{shut_out(404, '{}', kind)}/api/2.0/mlflow-artifacts/artifacts/1")
    with pytest.raises(requests.HTTPError) as failure:
        store.log_artifact(str(tmp_path / "a.png"))
    assert server.is_away(failure.value) is away


def test_without_an_answer_it_gives_up_in_words(behind_door, name, door, monkeypatch, caplog):
    """What needs an answer waits with growing pauses, says so, and ends with what to do next; no password is told."""
    monkeypatch.setattr(server, "PATIENCE", 4.0)
    door.shut()
    away = replace(behind_door, tracking_uri=behind_door.tracking_uri.replace("//", "//me:secret@"))
    with pytest.raises(AufrufError, match=r"has not answered for 4 seconds.*run the command again") as told:
        Tracker(away, name)
    assert told.value.where == f"127.0.0.1:{door.port}"
    assert "secret" not in str(told.value) + caplog.text
    assert [record.args[-1] for record in caplog.records if "trying again" in record.msg] == [1.0, 2.0]


def test_a_server_that_comes_back_is_waited_for(behind_door, name, door):
    """Opening a run, finding and ending it wait until the server is there again."""
    tracker = Tracker(behind_door, name)
    door.shut()
    timer = Timer(1.5, door.open)
    timer.start()
    with tracker.run("train", {}, {}) as run:
        pass
    timer.join()
    assert tracker.client.get_run(run.id).info.status == "FINISHED"


def test_what_a_killed_process_had_to_tell_is_delivered(settings, name, forks):
    """kill -9 before anything went out: the next tracker delivers it all, and the orphan is ended."""
    assert forks.run(DYING, settings.home, name) == -9
    tracker = Tracker(settings, name)
    tracker.end_orphans({"aufruf.step": "train"})
    [found] = tracker.find("")
    assert (found.info.status, found.data.params) == ("KILLED", {"epochs": "3"})
    assert history(tracker, found.info.run_id) == [(1, 0.1), (2, 0.2)]
    assert [one.path for one in tracker.client.list_artifacts(found.info.run_id)] == ["figures"]
    assert [one for one in lying(settings) if one.startswith(found.info.run_id)] == []


HALFWAY = """
import os, sys
from aufruf.release import journal
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings
run = Tracker(Settings.load(sys.argv[1], env={}), sys.argv[2]).attach_if_there(sys.argv[3])
journal.Journal.write = lambda *_: os.kill(os.getpid(), 9)  # the drawing is there, its record is not
run.figure("a.png", b"drawn")
"""


def test_nothing_lies_for_ever_of_who_is_killed_before_the_first_record(settings, name, forks):
    """A drawing that nothing names goes with the next tracker."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {}, {}) as run:
        pass
    assert forks.run(HALFWAY, settings.home, name, run.id) == -9
    assert [Path(one).suffix for one in lying(settings) if one.startswith(run.id)] == [".files", ".ndjson"]
    Tracker(settings, name)
    assert [one for one in lying(settings) if one.startswith(run.id)] == []


def test_what_lies_beside_no_file_goes_after_a_day(settings, name):
    """Artifacts and half made files of killed writers; but those of what was refused or given up stay."""
    Tracker(settings, name)
    folder = settings.mlflow / "outbox"
    made = ["a.x.files/", "b.x.new", "young.x.files/", "c.x.files/", "c.x.refused", "d.x.files/", "d.x.given-up"]
    for one in made:
        path = folder / one
        path.mkdir(parents=True) if one.endswith("/") else path.touch()
        if not one.startswith("young"):
            os.utime(path, (time.time() - 90_000,) * 2)
    Tracker(settings, name)
    assert {one.rstrip("/") for one in made[2:]} == {one for one in lying(settings) if ".x." in one}
    for one in made[2:]:
        path = folder / one
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_living_writer_is_left_alone(settings, name):
    """A second tracker delivers nothing of a run whose process lives: its file is locked."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.epoch(1, {"epoch": 1, "f1": 0.5})
    [path] = (settings.mlflow / "outbox").glob("*.ndjson")
    assert journal.Journal(path).take_over() is False
    Tracker(settings, name)
    assert path.exists()
    run.end("FINISHED")
    assert not path.exists()


def test_what_another_machine_writes_is_left_alone_for_a_day(settings, name):
    """Its lock need not be seen here: the file stays, though nobody seems to hold it, until nobody writes to it."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.end("FINISHED")
    folder = settings.mlflow / "outbox"
    folder.mkdir(exist_ok=True)
    path = folder / f"{run.id}.token.{journal.server(settings)}.otherhost.ndjson"
    path.write_text(json.dumps({"params": [["epochs", "2"]]}) + "\n")
    Tracker(settings, name)
    assert path.exists()
    assert tracker.client.get_run(run.id).data.params == {}
    os.utime(path, (time.time() - 90_000,) * 2)
    Tracker(settings, name)
    assert not path.exists()
    assert tracker.client.get_run(run.id).data.params == {"epochs": "2"}


def elsewhere(settings, run, *records: dict) -> Path:
    """What a worker of another machine has left of a run a moment ago."""
    folder = settings.mlflow / "outbox"
    folder.mkdir(exist_ok=True)
    path = folder / f"{run.id}.token.{journal.server(settings)}.otherhost.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


END = ({"tags": [["failure", "AufrufError: away"]]}, {"end": "FAILED", "at": 77})


def test_who_goes_on_with_a_run_is_told_its_end_by_no_other_machine_later(settings, name, tmp_path):
    """It failed while the server was away; taken up here it ends well, and stays so. Others are let be."""
    tracker = Tracker(settings, name)
    run, other = (tracker.start("train", {}, {}, ticket=tmp_path / ticket) for ticket in ("run", "other"))
    left, stays = elsewhere(settings, run, *END), elsewhere(settings, other, *END)
    with tracker.run("train", {}, {}, ticket=tmp_path / "run") as again:
        found = tracker.client.get_run(run.id)
        assert (again.id, found.info.status) == (run.id, "RUNNING")
    assert (left.exists(), stays.exists()) == (False, True)
    for path in (settings.mlflow / "outbox").glob(f"{run.id}.*"):
        os.utime(path, (time.time() - 90_000,) * 2)
    Tracker(settings, name)
    found = tracker.client.get_run(run.id)
    assert (found.info.status, "failure" in found.data.tags) == ("FINISHED", False)
    stays.unlink()
    other.end("FINISHED")


def test_a_run_that_goes_on_is_not_ended_by_what_could_not_be_told(settings, name, tmp_path, monkeypatch):
    """The server stumbles just when the run is taken up: its figures are told later, that it had failed is not."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {}, ticket=tmp_path / "run")
    run.close()
    first = elsewhere(settings, run, {"metrics": [["f1", 0.5, 5, 1]]}, *END)
    first.rename(first.with_name(first.name.replace("token", "other")))
    elsewhere(settings, run, {"metrics": [["recall", 0.6, 6, 1]]}, *END)
    with monkeypatch.context() as stumbles:
        for call in ("log_batch", "set_terminated"):
            stumbles.setattr(tracker.client.inner, call, lambda *_, **__: (_ for _ in ()).throw(ConnectionError()))
        again = tracker.reopen(run.id)
    again.end("FINISHED")
    for path in (settings.mlflow / "outbox").glob(f"{run.id}.*"):
        os.utime(path, (time.time() - 90_000,) * 2)
    Tracker(settings, name)
    found = tracker.client.get_run(run.id)
    assert (found.info.status, "failure" in found.data.tags) == ("FINISHED", False)
    assert found.data.metrics == {"f1": 0.5, "recall": 0.6}
    assert [one for one in lying(settings) if one.startswith(run.id)] == []


def test_a_run_that_goes_on_is_not_ended_by_what_waits_for_a_store(settings, name, tmp_path, monkeypatch):
    """Its end was delivered, a file of it was not: only that is left, as old as it was."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {}, ticket=tmp_path / "run")
    run.close()
    left = elsewhere(settings, run, {"file": "a/b.png", "to": None}, *END)
    (left.with_suffix(".files") / "a").mkdir(parents=True)
    (left.with_suffix(".files") / "a" / "b.png").write_bytes(b"drawn")
    os.utime(left, (time.time() - 90_000,) * 2)
    with monkeypatch.context() as away:
        away.setattr(tracker.client.inner, "log_artifact", lambda *_: (_ for _ in ()).throw(ConnectionError()))
        again = tracker.start("train", {}, {}, ticket=tmp_path / "run")
    assert [json.loads(line) for line in left.read_text().splitlines()] == [{"file": "a/b.png", "to": None}]
    assert time.time() - left.stat().st_mtime > 89_000
    again.end("FINISHED")
    Tracker(settings, name)
    found = tracker.client.get_run(run.id)
    assert (found.info.status, "failure" in found.data.tags) == ("FINISHED", False)
    assert [one.path for one in tracker.client.list_artifacts(run.id)] == ["b.png"]
    assert not left.exists()


def test_delivered_twice_is_there_once(settings, name):
    """A file that was delivered and not removed, because its reader was killed, is delivered again; nothing doubles."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.end("FINISHED")
    records = [
        {"metrics": [["f1", step / 10, 1000 + step, step] for step in (1, 2)], "params": [["epochs", "2"]]},
        {"metrics": [["nan", float("nan"), 5, 1]], "tags": [["a", "b"]]},
        {"inputs": [["splits", "3", "{}"]]},
        {"end": "FAILED", "at": 77},
    ]
    for _ in range(2):
        lines = [*map(json.dumps, records), '{"metrics": [["cut o']
        (settings.mlflow / "outbox" / f"{run.id}.left.ndjson").write_text("\n".join(lines))
        Tracker(settings, name)
    found = tracker.client.get_run(run.id)
    assert history(tracker, run.id) == [(1, 0.1), (2, 0.2)]
    assert len(tracker.client.get_metric_history(run.id, "nan")) == 1
    assert (found.info.status, found.info.end_time, len(found.inputs.dataset_inputs)) == ("FAILED", 77, 1)


def test_what_is_refused_is_told_once_and_holds_up_nothing(settings, name, caplog):
    """A metric that MLflow does not take is put aside with the reason; what came before and after it arrives."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {}, {}) as run:
        for key, value in (("good", 1.0), ("bad\nname", 2.0), ("better", 3.0)):
            run.points(1, {key: value})
    assert tracker.client.get_run(run.id).data.metrics == {"good": 1.0, "better": 3.0}
    [aside] = [one for one in lying(settings) if one.startswith(run.id)]
    put = [json.loads(line) for line in (settings.mlflow / "outbox" / aside).read_text().splitlines()]
    assert [one["metrics"][0][0] for one in put] == ["bad\nname"]
    assert "Invalid" in put[0]["refused"]
    assert caplog.text.count("MLflow refused") == 1


def test_what_is_refused_is_told_once_when_the_server_goes_away_next(settings, name, tmp_path, monkeypatch):
    """A record put aside is done with: what follows it in the same request waits, and it is not put aside again."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {}, {}) as run:
        pass
    lines = [{"metrics": [[key, 1.0, 5, 1]]} for key in ("good", "bad\nname", "better")]
    (tmp_path / f"{run.id}.left.ndjson").write_text("\n".join(map(json.dumps, lines)))
    inner, taken = tracker.client.inner, tracker.client.inner.log_batch

    def away(run_id, metrics, **rows):
        if [metric.key for metric in metrics] == ["better"]:
            raise ConnectionError
        taken(run_id, metrics=metrics, **rows)

    with monkeypatch.context() as gone:
        gone.setattr(inner, "log_batch", away)
        outbox.deliver_left(inner, tmp_path, tracker.server)
    outbox.deliver_left(inner, tmp_path, tracker.server)
    assert tracker.client.get_run(run.id).data.metrics == {"good": 1.0, "better": 1.0}
    assert len((tmp_path / f"{run.id}.left.refused").read_text().splitlines()) == 1


def test_what_comes_while_an_outbox_closes_loses_nothing(settings, name, tmp_path, monkeypatch):
    """Of two threads that tell, one closes: what the other tells meanwhile arrives, and after it nothing is spoilt."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {}, {}) as run:
        pass
    inner, taken = tracker.client.inner, tracker.client.inner.log_batch

    def slowly(*given, **rows):
        time.sleep(0.5)
        taken(*given, **rows)

    monkeypatch.setattr(inner, "log_batch", slowly)
    box = outbox.Outbox(inner, run.id, tmp_path, tracker.server)
    box.post({"metrics": [["a", 1.0, 5, 1]]})
    time.sleep(0.2)
    late = Timer(0.1, lambda: [box.post({"metrics": [[key, 1.0, 5, 1]]}) for key in "bc"])
    late.start()
    box.close(30)
    late.join()
    assert tracker.client.get_run(run.id).data.metrics == dict.fromkeys("abc", 1.0)
    monkeypatch.setattr(inner, "log_batch", lambda *_, **__: (_ for _ in ()).throw(ConnectionError()))
    box = outbox.Outbox(inner, run.id, tmp_path, tracker.server)
    box.post({"metrics": [["d", 1.0, 5, 1]]})
    box.close(0.1)
    box.post({"metrics": [["e", 1.0, 5, 1]]})
    monkeypatch.setattr(inner, "log_batch", taken)
    outbox.deliver_left(inner, tmp_path, tracker.server)
    assert "d" in tracker.client.get_run(run.id).data.metrics


def test_a_line_of_the_delivery_is_of_the_task(settings, name, monkeypatch):
    """The thread that delivers has the context of whoever opened the run: by it Airflow names the task in each line."""
    task, seen = ContextVar("task", default=""), []
    monkeypatch.setattr(journal.log, "error", lambda *_: seen.append((current_thread().name, task.get())))
    task.set("train")
    with Tracker(settings, name).run("train", {}, {}) as run:
        run.points(1, {"bad\nname": 2.0})
    assert set(seen) == {("outbox", "train")}


def test_a_run_that_somebody_deleted_ends_all_the_same(settings, name):
    """A run deleted in MLflow while it trains: its records are put aside, nothing waits and nothing is raised."""
    tracker = Tracker(settings, name)
    start = time.perf_counter()
    with tracker.run("train", {}, {}) as run:
        tracker.client.delete_run(run.id)
        run.epoch(1, {"epoch": 1, "f1": 0.5})
    assert time.perf_counter() - start < 10
    assert [one.rpartition(".")[2] for one in lying(settings) if one.startswith(run.id)] == ["refused"]


def test_a_locked_database_counts_as_away(settings, name):
    """Another process holds the SQLite file: no epoch waits, and everything arrives when it lets go."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {}, {}) as run:
        holder = sqlite3.connect(settings.mlflow / "mlflow.db", isolation_level=None)
        holder.execute("begin exclusive")
        start = time.perf_counter()
        run.history([{"epoch": 1, "f1": 0.5}, {"epoch": 2, "f1": 0.6}])
        took = time.perf_counter() - start
        time.sleep(1)
        holder.execute("rollback")
        holder.close()
    assert took < 0.2
    assert history(tracker, run.id) == [(1, 0.5), (2, 0.6)]


def test_a_full_disk_costs_only_the_copy(tmp_path, name, settings, caplog):
    """Where the outbox cannot be written, a run goes on and delivers from memory, and says so once."""
    home = tmp_path / "home"
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "outbox").write_text("a file where the folder should be")
    tracker = Tracker(replace(settings, home=home), name)
    with tracker.run("train", {}, {}) as run:
        run.history([{"epoch": 1, "f1": 0.5}, {"epoch": 2, "f1": 0.6}])
        run.figure("lost.png", b"drawn")
    assert history(tracker, run.id) == [(1, 0.5), (2, 0.6)]
    assert caplog.text.count("is not kept on disk") == 1
    assert "figures/lost.png" in caplog.text


def test_a_disk_that_fills_meanwhile_keeps_no_part_of_a_file(tmp_path, name, settings, monkeypatch):
    """The drawing that has no room is said not to be logged, the others arrive, and the outbox is empty afterwards."""
    whole, opened = Path.write_bytes, os.open

    def full(path, content):
        whole(path, content[:2])
        if path.name == "lost.png":
            raise OSError(errno.ENOSPC, "no space left")
        return whole(path, content)

    def refused(path, *given, **named):
        if str(path).endswith(".new"):
            raise OSError(errno.ENOSPC, "no space left")
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "write_bytes", full)
    for kind in ("kept", "refused"):
        if kind == "refused":
            monkeypatch.setattr(os, "open", refused)
        tracker = Tracker(replace(settings, home=tmp_path / kind), name)
        with tracker.run("train", {}, {}) as run:
            run.figure("lost.png", b"drawn")
            run.figure("there.png", b"drawn")
        assert [one.path for one in tracker.client.list_artifacts(run.id, "figures")] == ["figures/there.png"]
        assert list((tmp_path / kind / "mlflow" / "outbox").glob("*")) == []


def test_after_a_week_a_file_is_given_up(settings, name, tmp_path, monkeypatch):
    """What the answering server does not take for a week is put aside, and not tried for ever."""
    tracker = Tracker(settings, name)
    folder = tmp_path
    for age, run in ((8, "old"), (6, "young")):
        path = folder / f"{run}.left.ndjson"
        path.write_text('{"tags": [["a", "b"]]}\n')
        os.utime(path, (time.time() - age * 86400,) * 2)
    monkeypatch.setattr(tracker.client.inner, "log_batch", lambda *_, **__: (_ for _ in ()).throw(ConnectionError()))
    outbox.deliver_left(tracker.client.inner, folder, tracker.server)
    assert sorted(path.name for path in folder.iterdir()) == ["old.left.given-up", "young.left.ndjson"]


def test_a_file_that_is_given_up_leaves_no_run_open(settings, name, tmp_path, monkeypatch):
    """A record that the server answers with an error for a week is given up; the end that waited behind it is told."""
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.close()
    path = tmp_path / f"{run.id}.left.ndjson"
    path.write_text('{"tags": [["a", "b"]]}\n{"end": "FAILED", "at": 77}\n')
    os.utime(path, (time.time() - 8 * 86400,) * 2)
    monkeypatch.setattr(tracker.client.inner, "log_batch", lambda *_, **__: (_ for _ in ()).throw(ConnectionError()))
    outbox.deliver_left(tracker.client.inner, tmp_path, tracker.server)
    info = tracker.client.get_run(run.id).info
    assert (info.status, info.end_time, path.with_suffix(".given-up").exists()) == ("FAILED", 77, True)


def test_a_silent_server_is_asked_once(settings, name, tmp_path, monkeypatch):
    """With three files left, the first that is not taken ends the delivery: the command that begins does not wait."""
    tracker, asked = Tracker(settings, name), []
    for run in ("one", "two", "three"):
        (tmp_path / f"{run}.left.ndjson").write_text('{"tags": [["a", "b"]]}\n')

    def silent(*_, **__):
        asked.append(1)
        raise ConnectionError

    monkeypatch.setattr(tracker.client.inner, "log_batch", silent)
    outbox.deliver_left(tracker.client.inner, tmp_path, tracker.server)
    assert (len(asked), len(list(tmp_path.glob("*.ndjson")))) == (1, 3)


@pytest.mark.parametrize(("status", "second"), [(401, "b"), (403, "b"), (500, "b"), (503, None)])
def test_a_run_that_is_refused_holds_up_no_other(
    settings, name, shut_out, tmp_path, monkeypatch, caplog, status, second
):
    """What is said of one run is not said of the next, and is told in one line; a server that is away ends it all."""
    tracker = Tracker(settings, name)
    closed = server.client(replace(settings, tracking_uri=f"http://127.0.0.1:{shut_out(status)}")).inner
    inner, runs = tracker.client.inner, [tracker.start("train", {}, {}) for _ in range(2)]
    for minutes, run in zip((9, 5), runs, strict=True):  # the oldest goes first
        run.end("FINISHED")
        left = tmp_path / f"{run.id}.left.ndjson"
        left.write_text('{"tags": [["later", "b"]]}\n')
        os.utime(left, (time.time() - 60 * minutes,) * 2)
    taken = inner.log_batch

    def of_another_team(run_id, **rows):
        return (closed.log_batch if run_id == runs[0].id else taken)(run_id, **rows)

    monkeypatch.setattr(inner, "log_batch", of_another_team)
    outbox.deliver_left(inner, tmp_path, tracker.server)
    assert [tracker.client.get_run(run.id).data.tags.get("later") for run in runs] == [None, second]
    assert (tmp_path / f"{runs[0].id}.left.ndjson").exists()
    assert (f"MLflow refuses what waits of runs {runs[0].id}: " in caplog.text) is (second is not None)


def test_a_store_that_takes_no_file_holds_up_no_other_run(settings, name, tmp_path, monkeypatch):
    """The tracking server answers: the records of each run that was left go out, and the files wait."""
    tracker = Tracker(settings, name)
    runs = [tracker.start("train", {}, {}) for _ in range(2)]
    for run in runs:
        run.end("FINISHED")
        (tmp_path / f"{run.id}.left.ndjson").write_text('{"file": "a/b.png", "to": null}\n{"tags": [["later", "b"]]}\n')
        (tmp_path / f"{run.id}.left.files" / "a").mkdir(parents=True)
        (tmp_path / f"{run.id}.left.files" / "a" / "b.png").write_bytes(b"drawn")
    monkeypatch.setattr(tracker.client.inner, "log_artifact", lambda *_: (_ for _ in ()).throw(ConnectionError()))
    outbox.deliver_left(tracker.client.inner, tmp_path, tracker.server)
    assert [tracker.client.get_run(run.id).data.tags.get("later") for run in runs] == ["b", "b"]
    assert len(list(tmp_path.glob("*.left.ndjson"))) == 2


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "x" * 10_000, "$HOME; <script>"])
def test_hostile_values_arrive_or_are_cut(settings, name, value):
    """Half characters, NUL and endless text in a tag or a parameter hold up nothing."""
    tracker = Tracker(settings, name)
    with tracker.run("train", {"t": value}, {"p": value}) as run:
        run.tag({"later": value})
    found = tracker.client.get_run(run.id)
    expected = value.replace("\0", "").replace("\ud800", "?")
    assert found.data.tags["later"] == found.data.tags["t"] == expected[:8000]
    assert found.data.params["p"] == expected[:6000]


def test_an_object_store_that_is_away_holds_up_a_file_and_nothing_else(on_s3, name, shut_out, monkeypatch):
    """Its library's failures are of a family of their own; metrics go out meanwhile, and the file when it is back."""
    settings, url = on_s3
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{shut_out(503)}")
    tracker = Tracker(settings, name)
    run = tracker.start("train", {}, {})
    run.figure("curves.png", b"drawn")
    time.sleep(1)  # it was tried
    run.epoch(1, {"epoch": 1, "f1": 0.5})
    monkeypatch.setattr(tracking, "END_SECONDS", 1.0)
    run.end("FINISHED")
    assert history(tracker, run.id) == [(1, 0.5)]
    assert tracker.find("")[0].info.status == "FINISHED"
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", url)
    again = Tracker(settings, name)
    assert [one.path for one in again.client.list_artifacts(run.id, "figures")] == ["figures/curves.png"]
    assert lying(settings) == []


def test_an_object_store_that_refuses_a_file_stops_no_command(on_s3, name, shut_out, monkeypatch, caplog):
    """The file is put aside and told; the run ends, and the next command begins."""
    settings, _ = on_s3
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{shut_out(403)}")
    with Tracker(settings, name).run("train", {}, {}) as run:
        run.figure("curves.png", b"drawn")
    assert "MLflow refused a record of run" in caplog.text
    assert Tracker(settings, name).client.get_run(run.id).info.status == "FINISHED"
    assert [one.rpartition(".")[2] for one in lying(settings) if "refused" in one] == ["refused"]


def test_a_model_that_the_object_store_does_not_take_is_a_sentence(on_s3, name, shut_out, monkeypatch, tmp_path):
    """An upload that must be there says that the store does not take it."""
    settings, _ = on_s3
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{shut_out(403)}")
    (tmp_path / "weights").write_bytes(b"1")
    with Tracker(settings, name).run("train", {}, {}) as run, pytest.raises(AufrufError, match="does not take weights"):
        run._upload(tmp_path / "weights", "model")
