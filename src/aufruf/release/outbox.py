"""What runs have to tell MLflow, kept on disk until it is delivered: a server that is away costs a training nothing.

Each open run appends its records to one file, locked for as long as it writes, and a thread delivers them in order and
in batches. A file that its writer left, because it was killed or the server was away, is delivered by whoever comes
next on the same machine, after a day by anybody, and by whoever goes on with its run. A record may be delivered twice;
MLflow keeps one of equal ones.
"""

import logging
import secrets
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Condition, Thread

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from aufruf.hosts import age
from aufruf.release.journal import GIVEN_UP, Journal, Record, fresh, sweep
from aufruf.release.server import FAILURES, is_away, is_refusal, is_stranger, stored, why

log = logging.getLogger(__name__)
LIMITS = {"metrics": 1000, "params": 100, "tags": 100}  # MLflow's, of one request
END_SECONDS = 60.0  # how long the end of a run waits for its delivery
FAILURE = "failure"  # tag of a run: why it has failed
LEFT_DAYS = 7.0  # a file that cannot be delivered for so long, though the server answers, is given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Outbox:
    """The records of one open run. Nothing here waits but ``close``, and no failure of the server is raised."""

    def __init__(self, client: MlflowClient, run_id: str, folder: Path, server: str) -> None:
        self._client, self._run_id = client, run_id
        self._journal = fresh(folder, run_id, server)
        self._records: deque[Record] = deque()
        self._files: deque[Record] = deque()  # they go last: a store that takes no file does not hold up the records
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closing = self._closed = False

    def post(self, record: Record) -> None:
        """Put a record in the queue; one that comes when all is over, a late look at the machine's load, is dropped."""
        with self._changed:
            if self._closed:  # its file is another's by now
                return
            self._journal.write(record)
            (self._files if "file" in record else self._records).append(record)
            if self._thread is None:
                work = partial(copy_context().run, self._deliver)  # by the context a log knows its task
                self._thread = Thread(target=work, name="outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def keep(self, path: str, content: bytes) -> None:
        """Put a small artifact, ``path`` in the run, in the queue."""
        folder, _, name = path.rpartition("/")
        kept = f"{secrets.token_hex(4)}/{name}"
        target = self._journal.files / kept
        with self._changed:
            if self._closed:
                return
            self._journal.begin()
        try:
            target.parent.mkdir(parents=True)
            target.write_bytes(content)
        except OSError as failure:
            log.warning("%s of run %s is not logged: %s", path, self._run_id, failure)
            shutil.rmtree(target.parent, ignore_errors=True)
            return
        self.post({"file": kept, "to": folder or None})

    def close(self, seconds: float) -> None:
        """Wait at most ``seconds`` for what is not delivered; the rest stays in its file for whoever comes next."""
        with self._changed:
            self._closing = True  # which ends the thread when it looks next
            if (thread := self._thread) is not None:
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._waiting() or not thread.is_alive(), seconds)
            left = self._waiting()
            self._records.clear()
            self._files.clear()
            self._closed = True
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
                count = send(self._client, self._run_id, batch, self._journal)
            except FAILURES as failure:
                if pause == _FIRST_PAUSE:
                    log.warning("the MLflow server does not answer; what the run logs is kept (%s)", why(failure))
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self._done(batch[:count])

    def _next(self) -> list[Record]:
        """The next request's worth of records; none when the outbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self._closing)
            return together(self._records or self._files)

    def _done(self, batch: Sequence[Record]) -> None:
        with self._changed:
            queue = self._files if "file" in batch[0] else self._records
            for _ in islice(batch, len(queue)):  # a closed outbox has none
                queue.popleft()
            if not self._waiting() and not self._closing:
                self._journal.clear()
            self._changed.notify_all()


def deliver_left(client: MlflowClient, folder: Path, server: str, of: str | None = None) -> None:
    """Deliver what writers that are gone have left in ``folder``, oldest first, until the server does not answer.

    What it refuses of one run, it may take of the next; it is told at the end, and tried again by the next command.

    ``of``: what was left of this run only, on other machines too; whoever asks knows that it has no writer, and goes on
    with it: its end and its failure are told now or never.

    A silent server costs each try half a minute, and the command that is about to begin would wait for all of them.
    What was left for another server stays: this one would refuse it all, and it would be lost. What nobody can deliver
    any more is removed.
    """
    sweep(folder)
    left = [Journal(path) for path in sorted(folder.glob(f"{of or '*'}.*.ndjson"), key=age, reverse=True)]
    foreign = [journal for journal in left if journal.server not in {server, None}]
    if foreign:
        told = "records of %d runs wait in %s for another tracking server: name it in MLFLOW_TRACKING_URI once more"
        log.warning(told, len({journal.run_id for journal in foreign}), folder)
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for journal in left:
        path = journal.path
        if journal in foreign or not journal.take_over(anywhere=of is not None):
            continue
        waiting, failure = _deliver_file(client, journal, goes_on=of is not None)
        if waiting and age(path) > LEFT_DAYS * 86400:
            log.error("%s could not be delivered to MLflow for %g days and is given up", path.name, LEFT_DAYS)
            _end_at_least(client, journal, waiting)
            path.rename(path.with_suffix(GIVEN_UP))
        journal.close(empty=not waiting)
        if failure and is_refusal(failure):
            refused[why(failure)].append(journal.run_id)
        elif failure:
            log.warning("%s waits for the MLflow server (%s)", path.name, why(failure))
            if of is None and "file" not in waiting[0]:  # a store that takes no file holds up no records of other runs
                break
    for reason, runs in refused.items():
        log.warning("MLflow refuses what waits of runs %s: %s", ", ".join(dict.fromkeys(runs)), reason)


def _deliver_file(client: MlflowClient, journal: Journal, *, goes_on: bool) -> "tuple[deque[Record], Exception | None]":
    """The records that were not taken, from the first one on that was not, and why; none and None if all were.

    Of a run that goes on, they do not say that it has ended or failed.
    """
    records = journal.read()
    queue = deque(sorted(records, key=lambda record: "file" in record))
    failed: Exception | None = None
    while batch := together(queue):
        try:
            count = send(client, journal.run_id, batch, journal)
        except FAILURES as failure:
            failed = failure
            break
        for _ in range(count):
            queue.popleft()
    if goes_on:
        queue = deque(record for record in queue if not _is_end(record))
    if 0 < len(queue) < len(records):
        journal.leave(queue)
    return queue, failed


def _is_end(record: Record) -> bool:
    return "end" in record or any(key == FAILURE for key, _ in record.get("tags", ()))


def _end_at_least(client: MlflowClient, journal: Journal, records: Iterable[Record]) -> None:
    """Let a run not be open for ever because of a record before its end that the server does not take."""
    for record in records:
        if "end" in record:
            with suppress(*FAILURES):
                send(client, journal.run_id, [record], journal)


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


def send(client: MlflowClient, run_id: str, batch: Sequence[Record], journal: Journal) -> int:
    """Deliver the first records of a batch, at least one; how many. All, unless MLflow refuses one of them.

    That one is put aside, told once, and never tried again. Raises one of FAILURES while the server is away.
    """
    try:
        _request(client, run_id, batch, journal.files)
    except Exception as failure:  # whatever a record does to the client, the others are not held up by it
        if is_away(failure) or is_stranger(failure):  # a password that was changed is no fault of the records
            raise
        if len(batch) > 1:  # one of them spoils the others
            return send(client, run_id, batch[: len(batch) // 2], journal)
        journal.refuse(batch[0], why(failure))
    return len(batch)


def _request(client: MlflowClient, run_id: str, batch: Sequence[Record], files: Path) -> None:
    first = batch[0]
    if "end" in first:
        client.set_terminated(run_id, first["end"], first["at"])
    elif "inputs" in first:
        client.log_inputs(run_id, [_input(*one) for one in first["inputs"]])
    elif "file" in first:
        path = files / first["file"]
        if path.exists():  # else it was delivered before
            with stored():
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
