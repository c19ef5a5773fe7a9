"""Processes to kill or to run at once: forks of one process that has loaded what a step needs, which takes longer than
what they do. Run as a script this is that process.
"""

import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Mapping
from typing import Any

STEPS = ("ingest", "sweep", "trial", "train", "score")
SECONDS = 600.0  # what a fork does takes less; without a bound a test that hangs says nothing
LOADED = ("great_expectations", "aufruf.cli", *(f"aufruf.steps.{step}" for step in STEPS))


class Forks:
    """``start`` a piece of Python and ``wait`` for its exit code, or ``run`` it to its end."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.forks"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, code: str, *arguments: object, env: Mapping[str, str] | None = None) -> int:
        """The pid of a fork that runs ``code`` as ``python -c`` would; ``env``: instead of this process's."""
        return self._ask(
            code=code, arguments=[str(one) for one in arguments], env=dict(os.environ if env is None else env)
        )

    def wait(self, pid: int) -> int:
        """Its exit code, or minus the signal that ended it."""
        return self._ask(wait=pid)

    def run(self, code: str, *arguments: object, env: Mapping[str, str] | None = None) -> int:
        """Both, one after the other."""
        return self.wait(self.start(code, *arguments, env=env))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _ask(self, **asked: Any) -> int:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        answered, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        assert answered, f"no answer for {SECONDS:g} seconds to {asked}"
        return int(self.process.stdout.readline())


def _run(code: str, arguments: list[str], env: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["-c", *arguments]
    status = 1
    try:
        exec(compile(code, "<forked>", "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own code
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - whatever it is, the exit code tells of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve() -> None:
    for module in LOADED:
        __import__(module)
    from transformers import Trainer  # noqa: F401 - loaded for the forks

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a fork prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        elif not (answer := os.fork()):
            _run(**asked)
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    _serve()
