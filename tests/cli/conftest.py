"""The command line, called in this process, with real standard output."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    """What a command left behind for whoever called it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The command line sets up logging for its process; here the process goes on."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def aufruf(tmp_path: Path, write_classifier, capfd, monkeypatch) -> Callable[..., Answer]:
    """``aufruf(*arguments)`` on a home of this test's own, with one classifier."""
    from aufruf.cli import main

    for name in [name for name in os.environ if name.startswith(("AUFRUF_", "MLFLOW_TRACKING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUFRUF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(write_classifier()))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Answer:
        capfd.readouterr()
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(code, *capfd.readouterr())

    return call
