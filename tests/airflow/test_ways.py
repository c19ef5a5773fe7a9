"""Where links lead, who may be believed, and what is told to whom: small parts of the plugins, each alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from aufruf_airflow import links
from aufruf_airflow.files import below
from aufruf_airflow.guard import known_host

BASE, SERVER = "http://airflow.example/a/", "http://mlflow.example"


@pytest.mark.parametrize(
    ("dag", "task", "classifier"),
    [
        ("my_own.train", "train", "my_own"),
        ("my-own.score", "report", "my-own"),
        ("ingest", "label.my_own", "my_own"),
        ("ingest", "posts", ""),
        ("sales.daily", "load", ""),
        ("sales.train", "train", ""),
        ("my_own.cleanup", "run", ""),
        ("other", "label.my_own", ""),
    ],
)
def test_a_task_works_for_a_classifier(
    dag: str, task: str, classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its DAG, by its own name in `ingest`, or for all; a task of somebody else's DAG for none, and has no links."""
    for name in ("my_own", "my-own"):
        (tmp_path / f"{name}.toml").write_text("", "utf-8")
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(tmp_path))
    assert links.classifier_of(dag, task) == classifier


@pytest.mark.parametrize(
    ("task", "said", "leads"),
    [
        ("report", {"path": "/home/reports/c/2025-02-17/index.html"}, "2025-02-17/index.html"),
        ("evaluate", {"model_version": "3"}, "evaluation/3/index.html"),
        ("promote", {"challenger": "3"}, "champions/index.html"),
        ("label.c", {}, "agreement.html"),
        ("monitor", {}, "monitor/index.html"),
        ("split", {}, "index.html"),
    ],
)
def test_a_task_leads_to_the_page_that_it_wrote(task: str, said: dict[str, Any], leads: str) -> None:
    """Below the address that is configured, whatever path that has."""
    assert links.report(BASE, "c", task, said) == f"http://airflow.example/a/aufruf/classifiers/c/reports/{leads}"


def test_a_task_leads_to_mlflow_where_it_made_something() -> None:
    """To its run and its version; to nowhere without one, or without a server that has pages."""
    assert links.run(SERVER, {"run_id": "ab"}) == "http://mlflow.example/#/runs/ab"
    assert links.version(SERVER, "c", {"challenger": "3"}) == "http://mlflow.example/#/models/c/versions/3"
    assert (links.run(SERVER, {}), links.run("", {"run_id": "ab"}), links.version("", "c", {"challenger": "3"})) == (
        "",
        "",
        "",
    )
    assert links.report(BASE, "", "posts", {}) == ""
    assert links.page(BASE, "") == "http://airflow.example/a/aufruf/classifiers/"


@pytest.mark.parametrize(
    ("host", "base", "opened", "believed"),
    [
        ("airflow.example", BASE, False, True),
        ("localhost", BASE, False, True),
        ("::1", BASE, False, True),
        ("evil.example", BASE, False, False),
        ("127.0.0.1.evil.example", BASE, False, False),
        (None, BASE, False, False),
        ("any.example", "", False, True),
        ("any.example", "", True, False),
        ("127.0.0.1", "", True, True),
    ],
)
def test_a_host_is_believed(host: str | None, base: str, opened: bool, believed: bool) -> None:
    """The configured one and loopback; any, where none is configured - but not where nobody has to log in."""
    assert known_host(host, base, opened) is believed


def test_only_files_below_the_folder_are_served(tmp_path: Path) -> None:
    """Of the kinds that reports have; a folder that is itself a link is followed, one below it is not."""
    inside, outside = tmp_path / "reports", tmp_path / "secret.html"
    (inside / "day").mkdir(parents=True)
    for file in (outside, inside / "day" / "index.html", inside / "day" / "code.py"):
        file.write_text("x", "utf-8")
    (inside / "day" / "link.html").symlink_to(outside)
    (tmp_path / "way").symlink_to(inside)
    assert below(inside, "day/index.html") == inside / "day" / "index.html"
    assert below(tmp_path / "way", "day/index.html") == inside / "day" / "index.html"
    odd = [
        "",
        "day",
        "day/",
        "/day/index.html",
        "../secret.html",
        "day/../day/index.html",
        "day/link.html",
        "day/code.py",
    ]
    assert [one for one in [*odd, "day/\0.html", "x" * 5000 + ".html", "..\\secret.html"] if below(inside, one)] == []


TOLD = """
import asyncio, email, http.server, json, logging, os, socketserver, sys, threading, types
from airflow.sdk.exceptions import AirflowFailException
from aufruf_airflow import notes, notify
from aufruf.classifier import choose
from aufruf.settings import Settings

got = []
class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        got.append([self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]])
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Chat)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["CHAT"] = f"http://127.0.0.1:{server.server_port}/s3cret"
mails = []
class Mail(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line + b"\\r\\n")
    def handle(self):
        self.say(b"220 here")
        for line in self.rfile:
            verb = line[:4].upper()
            self.say({b"DATA": b"354 go on", b"QUIT": b"221 bye"}.get(verb, b"250 fine"))
            if verb == b"QUIT":
                return
            if verb == b"DATA":
                read = email.message_from_bytes(b"".join(iter(self.rfile.readline, b".\\r\\n")))
                parts = [part.get_payload(decode=True).decode() for part in read.walk() if not part.is_multipart()]
                mails.append([read["To"], read["Subject"], "".join(parts)])
                self.say(b"250 taken")
post = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
threading.Thread(target=post.serve_forever, daemon=True).start()
extra = {"disable_ssl": True, "disable_tls": True, "from_email": "aufruf@example.org"}
os.environ["AIRFLOW_CONN_DESK"] = json.dumps(
    {"conn_type": "smtp", "host": "127.0.0.1", "port": post.server_address[1], "extra": extra}
)

logged = []
keep = types.SimpleNamespace(level=0, handle=lambda record: logged.append(record.getMessage()))
logging.getLogger("aufruf_airflow.notify").addHandler(keep)

def context(dag, task, error):
    return {"ti": types.SimpleNamespace(dag_id=dag, task_id=task, log_url="http://airflow/log"), "exception": error}

notify.failed(context("mine.train", "split", AirflowFailException("lake: it is dry <script>. Wait for rain.")))
notify.failed(context("mine.train", "split", ValueError("a post's words")))
notify.failed(context("ingest", "refusals", AirflowFailException("bad.csv: refused.")))
notify.failed(context("mailed.train", "split", AirflowFailException("lake: it is dry <script>. Wait for rain.")))
notify.failed(context("quiet.train", "split", AirflowFailException("nobody asked")))
notify.failed(context("ingest", "label.quiet", AirflowFailException("nobody asked")))
notify.failed(context("deaf.train", "split", AirflowFailException("to an address that is not there")))
verdict = {"challenger": "4", "reasons": ["better"], "status": "new"}
for said in ("promoted", "waiting", "kept"):
    notify.decided("mine", {**verdict, "verdict": said})
notify.decided("mine", {**verdict, "verdict": "promoted", "status": "unchanged"})
asyncio.run(notify.late("mine", 3, {"dag_run": {"dag_run_id": "r"}}))
os.environ["CHAT"] = os.environ["CHAT"].replace("s3cret", "moved")
notify.tell("drift", "moved", "", ["mine"])
settings = Settings.load()
alerts = {name: notify.deadline(choose(settings, name)) for name in ("mine", "quiet")}
print("\\n" + json.dumps({
    "got": got, "logged": logged, "mails": mails,
    "late": {name: alert and alert.interval.total_seconds() for name, alert in alerts.items()},
    "note": notes.note(
        [("split", "a *star*\\nand more"), ("split", "a *star*\\nand more"), ("train", "x" * 2000)],
        [("Report", "/r")],
    ),
    "plain": [
        notes.plain(notes.note(
            [("evaluate", "no [x], run `a_b`. C:\\\\new"), ("train", "<b>")], [("Report", "/r"), ("B", "/b")]
        )),
        notes.plain(notes.note([], [("Report", "/r")])),
        notes.plain("I looked: *fine*"),
    ],
    "long": notes.note([], [("Report", "/r"), ("Long", "/" + "x" * 600)]),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, recipe: str, make: Any) -> dict[str, Any]:
    """What a chat got from classifiers that ask for notifications, and what was logged."""
    site = make(
        tmp_path_factory.mktemp("told"),
        mine=f'{recipe}\n[notify]\nwebhook = "CHAT"\nlate_hours = 3\n',
        quiet=recipe,
        mailed=f'{recipe}\n[notify]\nemail = ["desk@example.org"]\nconnection = "desk"\non = ["failure"]\n',
        deaf=f'{recipe}\n[notify]\nwebhook = "NOT_SET"\non = ["failure"]\n',
    )
    done = site.python("-c", TOLD, AIRFLOW__API__BASE_URL="http://airflow")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_failure_is_told_with_its_cure(told: dict[str, Any]) -> None:
    """What, where and next of our own errors, and the way to the log; of other errors the kind alone."""
    texts = [text for _, text in told["got"]]
    assert texts[0] == ("mine.train: split failed: lake: it is dry &lt;script&gt;. Wait for rain.\nhttp://airflow/log")
    assert texts[1] == "mine.train: split failed: ValueError; its log says more\nhttp://airflow/log"
    assert texts[2] == "Data was held back: bad.csv: refused.\nhttp://airflow/log", "once, though three could ask"


def test_a_mailbox_is_told_as_a_chat_is(told: dict[str, Any]) -> None:
    """Through Airflow's connection to a mail server: one line as the subject, and the body is escaped."""
    [[to, subject, body]] = told["mails"]
    assert to == "desk@example.org"
    assert subject.startswith("mailed.train: split failed")
    assert "it is dry &lt;script&gt;. Wait for rain." in body
    assert "http://airflow/log" in body


def test_decisions_and_late_nights_are_told(told: dict[str, Any]) -> None:
    """A promotion, a wait for a person, a deadline; not what was kept, and no old decision twice."""
    texts = [text for _, text in told["got"]][3:6]
    assert texts == [
        "mine: version 4 was promoted: better",
        "mine: version 4 waits for approval: better",
        "mine: the night is late: not done 3 hours after it began\nhttp://airflow/dags/mine.train/runs/r",
    ]
    assert told["late"] == {"mine": 10800.0, "quiet": None}


def test_an_address_is_a_secret_and_final(told: dict[str, Any]) -> None:
    """No log line holds it, a redirect is not followed, and a variable that is missing is named."""
    assert "s3cret" not in json.dumps(told["logged"])
    assert [path for path, _ in told["got"]][-1] == "/moved"
    assert any("NOT_SET holds no http(s) address" in line for line in told["logged"])


def test_a_note_is_plain_short_and_says_a_thing_once(told: dict[str, Any]) -> None:
    """Notes are Markdown of at most 1,000 characters; what tasks said is neither."""
    assert told["note"].startswith("split: a \\*star\\* and more\n\ntrain: xxx")
    assert len(told["note"]) == 1000
    assert told["note"].endswith("x\n\n[Report](/r)"), "what leads on is never cut off"
    assert told["long"] == "[Report](/r)", "an address too long is left out, not cut"


def test_the_page_of_a_classifier_says_a_note_in_words(told: dict[str, Any]) -> None:
    """No Markdown, and no address in a sentence; a person's note stays as it was written."""
    assert told["plain"] == ["evaluate: no [x], run `a_b`. C:\\new\n\ntrain: <b>", "", "I looked: *fine*"]
