"""What commands say on the way, on standard error: sentences, or one JSON object a line where AUFRUF_LOG=json."""

import json
import logging
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import ClassVar

log = logging.getLogger("aufruf")


def begin(*, verbose: bool = False) -> None:
    """Send what is logged to standard error, and what is warned of, too, where a program reads it."""
    form = "%(asctime)s %(message)s" if not verbose else "%(asctime)s %(levelname)s %(name)s: %(message)s"
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(_Json() if for_programs() else logging.Formatter(form, datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[out], level=logging.WARNING, force=True)
    logging.captureWarnings(for_programs())
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("great_expectations", "mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve a shared machine
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if for_programs():
        os.environ.setdefault("TQDM_DISABLE", "1")  # a bar is no JSON


def about(command: str, classifier: str) -> None:
    """Whose the lines are from now on: a new run of the command."""
    _Json.about = {"command": command, "classifier": classifier, "run": uuid.uuid4().hex[:12]}


def chosen(classifier: str) -> None:
    """The classifier that the run is about, once it is known."""
    _Json.about["classifier"] = classifier


def failed(sentence: str) -> None:
    """Say how a command failed."""
    if for_programs():
        log.error("%s", sentence)
    else:
        print(f"aufruf: {sentence}", file=sys.stderr)


def for_programs() -> bool:
    """Whether a program reads the lines."""
    return os.environ.get("AUFRUF_LOG") == "json"


class _Json(logging.Formatter):
    """One JSON object a line, with the command and classifier that it is about and an id of this run of it."""

    about: ClassVar[dict[str, str]] = {}

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"timestamp": at, "level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({**line, **self.about}, ensure_ascii=False)
