"""Keeps a component of the stack running: one that ends is started again, as a container with a restart policy is.

Run as a file, ``python -P keeper.py STEADY PAUSE LOG COMMAND...``, so that it loads nothing but what stands here. A
component that has never lived for STEADY seconds has not come up: then the keeper ends with its exit code, and nothing
is tried again. Between two starts it waits PAUSE seconds, longer each time, a minute at most.

LOG is the file to which both write, at its end. It is named after the component, and bounded: see ``cut``.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST = 60.0  # seconds between two starts
_EVERY = 60.0  # seconds between two looks at the log
_LARGEST = 20_000_000  # bytes: by reckoning what a dag-processor with nothing to do writes in two days


def keep(steady: float, pause: float, log: Path, command: Sequence[str]) -> int:
    """Run the command again and again until this process is told to end; the exit code."""
    told: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def stop(which: int, _: Any) -> None:
        told.append(which)
        if children and children[-1].poll() is None:
            children[-1].send_signal(which)

    for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(which, stop)
    threading.Thread(target=_bound, args=(log,), daemon=True).start()
    up, wait = False, pause
    while not told:
        began = time.monotonic()
        children[:] = [subprocess.Popen(command)]
        if told:  # just then
            children[-1].send_signal(told[-1])
        code = children[-1].wait()
        lived = time.monotonic() - began >= steady
        up, wait = up or lived, pause if lived else min(2 * wait, _LONGEST)
        if told:
            break
        if not up:
            return code if code >= 0 else 128 - code
        print(f"{log.stem} ended with {code}; it is started again in {wait:.0f} s", file=sys.stderr, flush=True)
        again = time.monotonic() + wait
        while not told and time.monotonic() < again:
            time.sleep(min(0.2, wait))
    return 0


def cut(log: Path, largest: int = _LARGEST) -> None:
    """Make of a log that is larger the one before, ``LOG.1``; who writes to it goes on at its beginning."""
    with suppress(OSError):
        if log.stat().st_size > largest:
            with suppress(OSError):  # a full disk has room for the log itself only if there is no other
                log.with_name(f"{log.name}.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def _bound(log: Path) -> None:
    while True:
        time.sleep(_EVERY)
        cut(log)


if __name__ == "__main__":
    sys.exit(keep(float(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
