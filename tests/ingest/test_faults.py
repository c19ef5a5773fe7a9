"""What may happen in the middle of an ingest: kill -9, a full disk, another ingest, a file that goes away."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forks import Forks

from aufruf.classifier import Classifier
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.store import Store

TABLES = ("texts", "annotations", "quarantine", "files")
CLASSIFIER = 'labels = ["no_call", "call"]\npositive = "call"\n[spellings]\ncall = ["True"]\nno_call = ["False"]\n'

# Every process is forked from one that has imported everything, so that a kill hits the work and not the imports.
KILLER = """
import os, random, shutil, signal, sys, threading, time
from pathlib import Path
import great_expectations, pandas
from great_expectations import expectations
from aufruf.classifier import load
from aufruf.data import intake
from aufruf.settings import Settings
from aufruf.steps import ingest as step

template, out, toml, points = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])

def run(home, killed_after):
    child = os.fork()
    if child == 0:
        if killed_after is not None:
            threading.Timer(killed_after, os.kill, (os.getpid(), signal.SIGKILL)).start()
        step.ingest(Settings.load(home, {}), [load(toml)])
        os._exit(0)
    return os.waitpid(child, 0)[1]

shutil.copytree(template, out / "whole")
began = time.monotonic()
assert run(out / "whole", None) == 0
length = time.monotonic() - began
random.seed(5460)
killed = 0
for point in range(points):
    home = out / f"home-{point:02}"
    shutil.copytree(template, home)
    killed += run(home, 0.8 * length * (point + random.random()) / points) != 0
    assert run(home, None) == 0
print(killed)
"""


def lake(home: Path) -> dict[str, list[tuple[str, ...]]]:
    """All that is stored, without the times of our own clock, sorted."""
    store, ours = Store(Settings.load(home, {}).lake), ["ingested_at", "refused_at"]
    frames = {table: store.read(table).drop(columns=ours, errors="ignore") for table in TABLES}
    return {table: sorted(map(str, frame.to_dict("records"))) for table, frame in frames.items()}


def test_kill_9_at_20_points_loses_and_doubles_nothing(
    settings: Settings,
    dropped: Callable[..., Path],
    written: Callable[..., Path],
    vote: Callable[..., Any],
    zeeschuimer: Callable[..., str],
    tmp_path: Path,
) -> None:
    """Whenever the process dies, the next one ends in the same lake, with an empty inbox and no half copy left."""
    tasks = [vote(f"Text {n}", ["True", "False", "vielleicht"][n % 3], identifier=f"A{n}") for n in range(30)]
    dropped("annotations", "votes.json", tasks)
    dropped("posts", "posts.ndjson", "".join(zeeschuimer(f"C{n}", f"Text {n}" * (n % 7)) for n in range(400)))
    dropped("posts", "strange.csv", "x,y\n1,2\n")
    out = tmp_path / "out"
    out.mkdir()
    arguments = [str(settings.home), str(out), str(written("calls.toml", CLASSIFIER)), "20"]
    done = subprocess.run([sys.executable, "-c", KILLER, *arguments], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 5  # the others were done before their time came: the machine had become faster
    whole = lake(out / "whole")
    assert [len(whole[table]) for table in TABLES] == [20 + 342, 20, 10 + 58, 3]
    for home in sorted(out.glob("home-*")):
        assert lake(home) == whole, home.name
        assert not list((home / "inbox" / "posts").iterdir())
        assert not list((home / "inbox" / "annotations").iterdir())
        assert not [path.name for path in (home / "raw").iterdir() if path.name.startswith(".")]


INGEST = """
import sys
from pathlib import Path
from aufruf.classifier import load
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
home, toml, *files = map(Path, sys.argv[1:])
ingest(Settings.load(home, {}), [load(toml)], files)
"""


def test_ingests_at_once_store_each_row_once(
    settings: Settings, store: Store, zeeschuimer: Callable[..., str], written: Callable[..., Path], forks: Forks
) -> None:
    """Three processes with overlapping files: every text and every file is one row."""
    toml = written("calls.toml", CLASSIFIER)
    lines = [zeeschuimer(f"C{n}", f"Text {n}") for n in range(60)]
    files = [written(f"{n}.ndjson", "".join(lines[n * 10 : n * 10 + 40])) for n in range(3)]
    turns = [files, files[::-1], [files[1], files[0], files[2]]]
    runs = [forks.start(INGEST, settings.home, toml, *turn) for turn in turns]
    assert [forks.wait(run) for run in runs] == [0, 0, 0]
    texts = store.read("texts")
    assert (len(texts), texts["text_id"].nunique()) == (60, 60)
    assert store.count("files") == 3


FULL = """
mount -t tmpfs -o size={size} none {disk} || exit 77
"{python}" -m aufruf.cli ingest {file} --home {disk}/home --json; echo "exit $?"
mount -o remount,size=64m {disk}
"{python}" -m aufruf.cli ingest {file} --home {disk}/home --json; echo "exit $?"
"""


@pytest.mark.parametrize("room", [0.5, 1.02])
def test_a_full_disk_is_said_and_the_next_run_goes_on(
    tmp_path: Path, written: Callable[..., Path], zeeschuimer: Callable[..., str], room: float
) -> None:
    """Full while copying, or while storing: exit 1 and one sentence; with space again every row is stored once."""
    path = written("posts.ndjson", "".join(zeeschuimer(f"C{n}", f"{n}" * 2000) for n in range(400)))
    classifiers = written("classifiers/calls.toml", CLASSIFIER).parent
    disk = tmp_path / "disk"
    disk.mkdir()
    size = int(path.stat().st_size * room)
    script = FULL.format(size=size, disk=disk, python=sys.executable, file=path)
    environment = {**os.environ, "AUFRUF_CLASSIFIERS": str(classifiers)}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("a small disk can only be made where user namespaces are allowed")
    first, code, second, again = done.stdout.splitlines()
    error = json.loads(first)["error"]
    assert (code, again) == ("exit 1", "exit 0")
    assert "No space left" in error["what"]
    assert "run the command again" in error["next"]
    assert json.loads(second)["files"][0]["kept"] == 400


def test_a_file_that_goes_away_is_no_failure(
    settings: Settings,
    store: Store,
    classifier: Classifier,
    dropped: Callable[..., Path],
    zeeschuimer: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file removed between looking and reading is left out; one replaced while it was read stays for next time."""
    from aufruf.steps import arrivals

    dropped("posts", "a.ndjson", zeeschuimer("C1", "eins"))
    gone = dropped("posts", "b.ndjson", zeeschuimer("C2", "zwei"))
    replaced = dropped("posts", "c.ndjson", zeeschuimer("C3", "drei"))
    copy = arrivals.inbox.copy

    def meanwhile(source: Any, folder: Path) -> tuple[Path, str]:
        gone.unlink(missing_ok=True)
        copied = copy(source, folder)
        if source.name == str(replaced):
            replaced.unlink()
            replaced.write_text(zeeschuimer("C4", "vier"))
        return copied

    monkeypatch.setattr(arrivals.inbox, "copy", meanwhile)
    entries = ingest(settings, [classifier])["files"]
    assert [entry["file"] for entry in entries] == ["a.ndjson", "c.ndjson"]
    assert sorted(store.read("texts")["post_id"]) == ["C1", "C3"]
    assert [path.name for path in settings.inbox_posts.iterdir()] == ["c.ndjson"]
