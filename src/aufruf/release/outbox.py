"""What runs have to tell MLflow, kept on disk until it is delivered: a server that is away costs a training nothing.

Each open run appends its records to one file, locked for as long as it writes, and a thread delivers them in order and
in batches. A file that its writer left, because it was killed or the server was away, is delivered by whoever comes
next. A record may be delivered twice; MLflow keeps one of equal ones.
"""

import fcntl
import json
import logging
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from aufruf.release.server import FAILURES, is_away, why

log = logging.getLogger(__name__)
Record = dict[str, Any]  # one of: metrics, params and tags; inputs; a file; the end
LIMITS = {"metrics": 1000, "params": 100, "tags": 100}  # MLflow's, of one request
END_SECONDS = 60.0  # how long the end of a run waits for its delivery
LEFT_DAYS = 7.0  # a file that cannot be delivered for so long, though the server answers, is given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Outbox:
    """The records of one open run. Nothing here waits but ``close``, and no failure of the server is raised."""

    def __init__(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        self._client, self._run_id = client, run_id
        self._journal = _Journal(folder / f"{run_id}.{secrets.token_hex(4)}.ndjson")
        self._records: deque[Record] = deque()
        self._files: deque[Record] = deque()  # they go last: a store that takes no file does not hold up the records
        self._changed = Condition()
        self._thread: Thread | None = None

    def post(self, record: Record) -> None:
        """Put a record in the queue."""
        with self._changed:
            self._journal.write(record)
            (self._files if "file" in record else self._records).append(record)
            if self._thread is None:
                self._thread = Thread(target=self._deliver, name="outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def keep(self, path: str, content: bytes) -> None:
        """Put a small artifact, ``path`` in the run, in the queue."""
        folder, _, name = path.rpartition("/")
        kept = f"{secrets.token_hex(4)}/{name}"
        target = self._journal.files / kept
        try:
            target.parent.mkdir(parents=True)
            target.write_bytes(content)
        except OSError as failure:
            log.warning("%s of run %s is not logged: %s", path, self._run_id, failure)
            return
        self.post({"file": kept, "to": folder or None})

    def close(self, seconds: float) -> None:
        """Wait at most ``seconds`` for what is not delivered; the rest stays in its file for whoever comes next."""
        with self._changed:
            thread, self._thread = self._thread, None  # which ends the thread when it looks next
            if thread is not None:
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._waiting() or not thread.is_alive(), seconds)
            left = self._waiting()
            self._records.clear()
            self._files.clear()
            self._journal.close(empty=not left)
        if left:
            log.warning(
                "the MLflow server does not answer: %d records of run %s are kept and delivered by the next command",
                left,
                self._run_id,
            )

    def _waiting(self) -> int:
        return len(self._records) + len(self._files)

    def _deliver(self) -> None:
        pause = _FIRST_PAUSE
        while batch := self._next():
            try:
                send(self._client, self._run_id, batch, self._journal)
            except FAILURES as failure:
                if pause == _FIRST_PAUSE:
                    log.warning("the MLflow server does not answer; what the run logs is kept (%s)", why(failure))
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self._done(batch)

    def _next(self) -> list[Record]:
        """The next request's worth of records; none when the outbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self._thread is None)
            return together(self._records or self._files)

    def _done(self, batch: Sequence[Record]) -> None:
        with self._changed:
            queue = self._files if "file" in batch[0] else self._records
            for _ in islice(batch, len(queue)):  # a closed outbox has none
                queue.popleft()
            if not self._waiting() and self._thread is not None:
                self._journal.clear()
            self._changed.notify_all()


def deliver_left(client: MlflowClient, folder: Path) -> None:
    """Deliver what writers that are gone have left in ``folder``, oldest first, as far as the server takes it."""
    for path in sorted(folder.glob("*.ndjson"), key=_age, reverse=True):
        journal = _Journal(path)
        if not journal.take_over():
            continue
        delivered = _deliver_file(client, journal)
        if not delivered and _age(path) > LEFT_DAYS * 86400:
            log.error("%s could not be delivered to MLflow for %g days and is given up", path.name, LEFT_DAYS)
            path.rename(path.with_suffix(".given-up"))
        journal.close(empty=delivered)


def _deliver_file(client: MlflowClient, journal: "_Journal") -> bool:
    records = journal.read()
    queue = deque(sorted(records, key=lambda record: "file" in record))
    while batch := together(queue):
        try:
            send(client, journal.run_id, batch, journal)
        except FAILURES as failure:
            log.warning("%s waits for the MLflow server (%s)", journal.path.name, why(failure))
            return False
        for _ in batch:
            queue.popleft()
    return True


def together(queue: "deque[Record]") -> list[Record]:
    """The first records of the queue that fit into one request."""
    batch: list[Record] = []
    held = dict.fromkeys(LIMITS, 0)
    for record in queue:
        held = {kind: count + len(record.get(kind, ())) for kind, count in held.items()}
        if batch and (not record.keys() <= LIMITS.keys() or any(held[kind] > LIMITS[kind] for kind in LIMITS)):
            break
        batch.append(record)
        if not record.keys() <= LIMITS.keys():
            break
    return batch


def send(client: MlflowClient, run_id: str, batch: Sequence[Record], journal: "_Journal") -> None:
    """Deliver a batch; what MLflow refuses is put aside, told once, and never tried again.

    Raises one of FAILURES while the server is away.
    """
    try:
        _request(client, run_id, batch, journal.files)
    except FAILURES as failure:
        if is_away(failure):
            raise
        if len(batch) > 1:  # one of them spoils the others
            for record in batch:
                send(client, run_id, [record], journal)
        else:
            journal.refuse(batch[0], why(failure))


def _request(client: MlflowClient, run_id: str, batch: Sequence[Record], files: Path) -> None:
    first = batch[0]
    if "end" in first:
        client.set_terminated(run_id, first["end"], first["at"])
    elif "inputs" in first:
        client.log_inputs(run_id, [_input(*one) for one in first["inputs"]])
    elif "file" in first:
        path = files / first["file"]
        if path.exists():  # else it was delivered before
            client.log_artifact(run_id, str(path), first["to"])
            shutil.rmtree(path.parent, ignore_errors=True)
    else:
        client.log_batch(
            run_id,
            metrics=[Metric(*point) for record in batch for point in record.get("metrics", ())],
            params=[Param(*pair) for record in batch for pair in record.get("params", ())],
            tags=[RunTag(*pair) for record in batch for pair in record.get("tags", ())],
        )


def _input(name: str, version: str, source: str) -> DatasetInput:
    """A table as a data set that the run has seen; in MLflow a table's version is its digest."""
    return DatasetInput(Dataset(name, version, "delta_table", source), [InputTag(MLFLOW_DATASET_CONTEXT, "training")])


class _Journal:
    """The file of an outbox, and the folder of artifacts beside it. A disk that refuses is told once."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = path, path.with_suffix(".files")
        self.run_id = path.name.partition(".")[0]
        self._file: int | None = None
        self._ill = False

    def write(self, record: Record) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            self._file = file = self._open() if self._file is None else self._file
            size = os.fstat(file).st_size
            if os.write(file, line) < len(line):
                os.ftruncate(file, size)
                raise OSError("the disk is full")
        except OSError as failure:
            if not self._ill:
                log.warning("what run %s logs is not kept on disk: %s", self.run_id, failure)
            self._ill = True

    def _open(self) -> int:
        """Locked before it has its name, so that nobody takes it for one that was left."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(self.path)
        return file

    def take_over(self) -> bool:
        """Lock a file that was left; False when its writer lives, or another reader has it or had it."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        if os.fstat(file).st_nlink == 0:
            os.close(file)
            return False
        self._file = file
        return True

    def read(self) -> list[Record]:
        """Every whole record; a line that was cut off when its writer was killed is none."""
        found = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def refuse(self, record: Record, reason: str) -> None:
        """Put aside what MLflow does not take."""
        aside = self.path.with_suffix(".refused")
        log.error("MLflow refused a record of run %s: %s. It is kept in %s", self.run_id, reason, aside.name)
        try:
            with aside.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"refused": reason, **record}) + "\n")
        except OSError as failure:
            log.warning("%s could not be written: %s", aside.name, failure)

    def clear(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self, *, empty: bool) -> None:
        """Unlock the file; remove it when it is empty."""
        if self._file is None:
            return
        if empty:
            self.path.unlink(missing_ok=True)
            if self.files.is_dir() and not any(self.files.iterdir()):
                self.files.rmdir()
        os.close(self._file)
        self._file = None


def _age(path: Path) -> float:
    """Seconds since a file was written to; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
