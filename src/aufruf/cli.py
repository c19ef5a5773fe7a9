"""The roof: the steps from a shell. One JSON object with --json, sentences without; logs on standard error."""

import argparse
import csv
import importlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aufruf import classifier as classifiers
from aufruf import lines, phrases
from aufruf.arguments import parser
from aufruf.classifier import Classifier
from aufruf.errors import DISK_FULL, AufrufError, UsageError
from aufruf.phrases.explained import harmless
from aufruf.settings import Settings

log = logging.getLogger("aufruf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 the data was refused, 130 interrupted.

    An answer that cannot be written is a failure, too.
    """
    _open_streams()
    try:
        options = parser().parse_args(arguments)
    except UsageError as error:
        asked = "--json" in (sys.argv if arguments is None else arguments)
        lines.begin()
        lines.about("", "")
        with _standard_output_is_ours() as out:
            return _answer({}, error, out, "", as_json=asked)
    lines.begin(verbose=options.verbose)
    lines.about(options.command, options.classifier or "")
    with _standard_output_is_ours() as out:
        result, failure = _outcome(options)
        return _answer(result, failure, out, options.command, as_json=options.json)


def _outcome(options: argparse.Namespace) -> tuple[dict[str, Any], AufrufError | None]:
    """The command's object and its failure, whatever happens."""
    try:
        return _run(options)
    except AufrufError as error:
        return dict(getattr(error, "done", {})), error
    except OSError as error:
        return dict(getattr(error, "done", {})), _system(error)
    except KeyboardInterrupt as error:
        return dict(getattr(error, "done", {})), _Interrupted("interrupted")
    except Exception as error:  # the last boundary: the log has the trace, whoever asked has an object
        log.error("this should not have happened", exc_info=error)
        return dict(getattr(error, "done", {})), AufrufError(
            f"{type(error).__name__}: {' '.join(str(error).split())[:500]}",
            next="This is a fault of aufruf: report it with the lines above. What was stored stays.",
        )


class _Interrupted(AufrufError):
    """Ctrl-C; the exit code is what shells expect."""

    exit_code = 130

    def as_json(self) -> dict[str, str]:
        return {**super().as_json(), "type": "Interrupted", "next": "Run the command again: it goes on from there."}


def _answer(result: dict[str, Any], failure: AufrufError | None, out: Any, command: str, *, as_json: bool) -> int:
    """Tell what a command did and how it failed; returns its exit code."""
    if failure is not None:
        lines.failed(harmless(str(failure)))
    told = ""
    if as_json:
        told = _json({**result, "error": failure.as_json()} if failure else result)
    elif command and (failure is None or result):
        colour = out.isatty() and not os.environ.get("NO_COLOR")
        told = "\n".join(phrases.told(command, result, colour=colour, failed=failure is not None))
    try:
        if told or failure is None:
            _say(told, out)
    except OSError as error:
        lines.failed(f"the answer could not be written: {error.strerror}. What was done stays.")
        return failure.exit_code if failure else 1
    return failure.exit_code if failure else 0


def _json(result: dict[str, Any]) -> str:
    """One object; half a character, which no encoding can write, by its code."""
    written = json.dumps(result, ensure_ascii=False, default=str)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", written)


def _say(told: str, out: Any) -> None:
    """Print an answer; a reader that has seen enough (``| head``) is no failure. Raises OSError for a full disk."""
    try:
        print(told.encode("utf-8", "backslashreplace").decode("utf-8"), file=out, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # what is left would fail once more when it is closed
        if not isinstance(error, BrokenPipeError):
            raise


def _system(error: OSError) -> AufrufError:
    """What the system refuses - a full disk, a missing permission - as one sentence."""
    log.debug("the system refused", exc_info=error)
    full = error.errno in DISK_FULL
    cure = "Free some space" if full else "Mend it"
    return AufrufError(
        error.strerror or str(error),
        where=str(error.filename or ""),
        next=f"{cure}, and run the command again: what was stored stays, the rest is taken up.",
    )


_OPTIONS = (  # passed on to the step, where given
    *("trials", "model", "version", "text", "where", "dry_run", "reader", "unmasked"),
    *("queue", "audit", "folds", "as_of", "out", "texts", "yes"),
)


def _run(options: argparse.Namespace) -> tuple[dict[str, Any], AufrufError | None]:
    """The step's object, and the failure it reports beside it."""
    settings = Settings.load(options.home)
    if options.classifier is not None:
        classifiers.called(settings, options.classifier)
    with _private(settings.home):
        return _ran(options, options.command, settings)


def _ran(options: argparse.Namespace, command: str, settings: Settings) -> tuple[dict[str, Any], AufrufError | None]:
    if command == "sample":
        return _step("sample")(options.folder), None
    if command in {"down", "demo"}:
        return _function({"down": "aufruf.stack", "demo": "aufruf.demo"}[command], command)(settings), None
    if command in {"backup", "restore"}:
        return _step(command)(settings, options.archive), None
    if command == "up":
        return _function("aufruf.stack", "up")(settings, preset=options.preset or settings.preset), None
    if command == "ingest":
        return _ingest(options, settings)
    if command == "quarantine":
        return _quarantine(options, settings)
    if command == "forget":
        asked = {"raw": options.raw, "dry_run": options.dry_run}
        return _step("forget")(settings, _every(settings), options.author, **asked), None
    if command == "status" and options.classifier is None and len(known := _every(settings)) > 1:
        return {"classifiers": {one.name: _step("status")(settings, one) for one in known}}, None
    chosen = classifiers.choose(settings, options.classifier, getattr(options, "preset", None))
    lines.chosen(chosen.name)
    extra = {name: value for name in _OPTIONS if (value := getattr(options, name, None)) is not None}
    if extra.get("trials", 1) < 1:
        raise UsageError("--trials must be at least 1", next="Without it, the classifier file says how many.")
    result = _step(command)(settings, chosen, **extra)
    checked = command in {"label", "night"} or getattr(options, "check", False)
    return result, _refusals(result, command) if checked else None


def _ingest(options: argparse.Namespace, settings: Settings) -> tuple[dict[str, Any], AufrufError | None]:
    chosen, broken = _all_or_one(settings, options.classifier), list[str]()
    if options.classifier is not None and not (options.files or options.columns):  # the inbox is everybody's
        beside, broken = classifiers.others(settings, options.classifier)
        chosen += beside
    result = _step("ingest")(
        settings,
        chosen,
        options.files or None,
        format=options.format,
        columns=_roles(options.columns),
        authors=options.authors,
        broken=broken,
    )
    return result, _refusals(result, "ingest")


def _quarantine(options: argparse.Namespace, settings: Settings) -> tuple[dict[str, Any], AufrufError | None]:
    result = _step("quarantine")(
        settings,
        _all_or_one(settings, options.classifier),
        options.action,
        options.file,
        mended=options.mended,
        out=options.out,
    )
    return result, _refusals(result, "quarantine")


def _refusals(result: dict[str, Any], command: str) -> AufrufError | None:
    failure: AufrufError | None = _function(f"aufruf.steps.{command}", "refused")(result)
    return failure


def _all_or_one(settings: Settings, name: str | None) -> list[Classifier]:
    if name is not None:
        return [classifiers.choose(settings, name)]
    return _every(settings) or [classifiers.choose(settings, None)]


def _every(settings: Settings) -> list[Classifier]:
    return [classifiers.choose(settings, one) for one in classifiers.names(settings)]


def _roles(written: str | None) -> dict[str, str] | None:
    if written is None:
        return None
    pairs = [part.partition("=") for part in next(csv.reader([written], skipinitialspace=True))]
    for role, equals, column in pairs:
        if not (role.strip() and equals and column.strip()):
            raise UsageError(
                f"--columns has {role!r} without ROLE=COLUMN",
                next='For example text_id=id,text=body; quote a pair whose column has a comma: "text=Text, whole".',
            )
    names = [role.strip() for role, _, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--columns names the role {twice[0]} twice", next="A role has one column.")
    return {role.strip(): column.strip() for role, _, column in pairs}


def _step(name: str) -> Any:
    return _function(f"aufruf.steps.{name}", name)


def _function(module: str, name: str) -> Any:
    """Steps are heavy; only the one that runs is imported."""
    return getattr(importlib.import_module(module), name)


def _open_streams() -> None:
    """Lead a standard stream that whoever called has closed to nowhere, before a file of ours gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


@contextmanager
def _standard_output_is_ours() -> Iterator[Any]:
    """Whatever a library prints goes to standard error, so that standard output holds our answer alone."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield ours
    finally:
        sys.stdout = before
        ours.flush()
        os.dup2(ours.fileno(), 1)
        ours.close()


@contextmanager
def _private(home: Path) -> Iterator[None]:
    """A home that a command makes is its owner's only: it holds what people wrote."""
    before = home.exists()
    try:
        yield
    finally:
        if not before and home.is_dir():
            home.chmod(0o700)


if __name__ == "__main__":
    sys.exit(main())
