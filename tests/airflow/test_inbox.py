import os
from pathlib import Path
from typing import Any

from aufruf_airflow.deliveries import Deliveries, look

ONE = {"/in/a.json": (10, 1)}
TWO = {**ONE, "/in/b.json": (20, 2)}


def test_a_delivery_is_announced_once() -> None:
    """A file that two looks in a row see alike is announced, and then never again."""
    deliveries = Deliveries(patience=9)
    assert [deliveries.complete(seen) for seen in (ONE, ONE, ONE)] == [[], ["/in/a.json"], []]


def test_files_that_arrive_together_are_announced_together() -> None:
    """While something still arrives nothing is announced, so that all annotators' votes are decided on at once."""
    deliveries = Deliveries(patience=9)
    assert [deliveries.complete(seen) for seen in (ONE, TWO, TWO)] == [[], [], ["/in/a.json", "/in/b.json"]]


def test_a_growing_file_is_not_complete() -> None:
    """A file that is still being written waits for its last byte."""
    deliveries = Deliveries(patience=9)
    growing = [{"/in/a.json": (size, size)} for size in (1, 2, 3, 3)]
    assert [deliveries.complete(seen) for seen in growing] == [[], [], [], ["/in/a.json"]]


def test_an_inbox_that_never_rests_does_not_wait_for_ever() -> None:
    """After `patience` looks the files that are complete are announced beside one that keeps growing."""
    deliveries = Deliveries(patience=3)
    busy = [{**ONE, "/in/log.csv": (size, size)} for size in range(6)]
    assert [deliveries.complete(seen) for seen in busy] == [[], [], [], ["/in/a.json"], [], []]


def test_a_file_dropped_again_is_announced_again() -> None:
    """Ingest takes files out of the inbox; the same name, size and time may come back."""
    deliveries = Deliveries(patience=9)
    seen = [deliveries.complete(now) for now in (ONE, ONE, {}, ONE, ONE)]
    assert seen == [[], ["/in/a.json"], [], [], ["/in/a.json"]]


def test_looking_leaves_out_what_is_not_a_finished_file(tmp_path: Path) -> None:
    """Hidden names, unfinished downloads, folders and links are not deliveries; a missing folder is empty."""
    (tmp_path / "folder").mkdir()
    for name in ("a.json", ".hidden.json", "b.json.part", "c.TMP", "d.csv.crdownload"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    os.utime(tmp_path / "a.json", ns=(5, 7))
    assert look([str(tmp_path), str(tmp_path / "absent")]) == {str(tmp_path / "a.json"): (1, 7)}


WATCH = """
import asyncio, pathlib, sys
from airflow.sdk.module_loading import import_string
from aufruf_airflow.inbox import InboxTrigger

folder = pathlib.Path(sys.argv[1])
path, kwargs = InboxTrigger([str(folder)], seconds=0.05).serialize()
trigger = import_string(path)(**kwargs)

async def main():
    events = trigger.run()
    for number in (1, 2):
        for each in range(number):
            (folder / f"{number}-{each}.json").write_text("x")
        print((await asyncio.wait_for(anext(events), 20)).payload)

asyncio.run(main())
"""


def test_the_triggerer_gets_one_event_per_delivery(make: Any, tmp_path: Path) -> None:
    """Rebuilt from its serialized form, the trigger fires once for each delivery, with counts only."""
    done = make(tmp_path).python("-c", WATCH, str(tmp_path))
    assert done.stdout.splitlines()[-2:] == ["{'files': 1}", "{'files': 2}"], done.stderr
