"""The MLflow server: a client of it, when it counts as away, and how long we wait for it to come back."""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlparse

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import OperationalError

from aufruf.errors import AufrufError
from aufruf.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE = 600.0  # seconds we wait for an answer without which nothing goes on
LONGEST_PAUSE = 30.0
REQUEST_SECONDS = 30  # a request without an answer for so long is tried again
FAILURES = (MlflowException, OSError, OperationalError)  # what a call raises; failures of requests are an OSError
_AWAY = {408, 429}
_STRANGER = {401, 403}
# How MLflow's client says that the answer was none of a tracking server's, each of which is JSON: of a proxy before one
# that is just starting, say. 413 is not among them: that would be said of the same record again.
_PROXY = re.compile(r"API request to endpoint (was successful but|\S+ failed with error code (404|5\d\d)\b)")


def client(settings: Settings, patience: float | None = None) -> "Patient":
    """A client of the tracking server, or of the embedded database. Makes the embedded folders.

    ``patience``: seconds it waits for a server that is away; None: PATIENCE.

    MLflow's own tries (seven, of two minutes) are switched off unless the environment sets them: waiting is done here.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_SECONDS))
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    if settings.registry_file is not None:
        settings.mlflow.mkdir(parents=True, exist_ok=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # else a traceback for each locked try
    uri = settings.tracking_uri
    opened = patiently(lambda: MlflowClient(tracking_uri=uri, registry_uri=uri), uri, patience)
    return Patient(opened, uri, patience)


class Patient:
    """MLflow's client, each call of which waits for a server that is away.

    A call whose answer is lost is made again, so what must not happen twice goes through ``wait`` with a look first.
    """

    def __init__(self, inner: Any, uri: str, patience: float | None = None) -> None:
        self.inner, self.uri, self.patience = inner, uri, patience

    def wait(self, call: Callable[[], T]) -> T:
        """What ``call`` returns, made on ``inner``, once the server answers; see ``patiently``."""
        return patiently(call, self.uri, self.patience)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        return lambda *args, **options: self.wait(lambda: method(*args, **options))


def patiently(call: Callable[[], T], uri: str, patience: float | None = None) -> T:
    """What ``call`` returns; with growing pauses it is made again while the server is away.

    At most for ``patience`` seconds; None: for PATIENCE.

    Raises AufrufError after that, and where the server wants another login; every other failure of the call comes out
    as it is.
    """
    patience = PATIENCE if patience is None else patience
    deadline, pause = time.monotonic() + patience, 1.0
    while True:
        try:
            with stored():
                return call()
        except FAILURES as failure:
            if is_stranger(failure):
                raise _shut_out(uri) from failure
            if not is_away(failure):
                raise
            if time.monotonic() + pause > deadline:
                raise _gave_up(failure, uri, patience) from failure
            said = why(failure)
        log.warning("the MLflow server does not answer (%s); trying again in %g s", said, pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


class StoreFailure(OSError):
    """What an artifact store has answered; ``passing``: trying again can help."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        told = getattr(failure, "response", None) or getattr(failure.__context__, "response", None) or {}
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode")
        self.passing = status is None or _passing(status)


@contextmanager
def stored() -> Iterator[None]:
    """Raises failures of S3's library, which has a family of its own, as StoreFailure: clients write there straight.

    That library is there in a cluster only, and loading it takes as long as a command.
    """
    try:
        yield
    except Exception as failure:
        if type(failure).__module__.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise StoreFailure(failure) from failure


def is_away(failure: Exception) -> bool:
    """True when trying again can help: nobody answers, or a proxy does, the server has trouble, its database is locked.

    That a run or a version is not there is said in JSON; a 404 without it is said by somebody else.
    """
    cause = _cause(failure)
    if isinstance(cause, StoreFailure):
        return cause.passing
    if isinstance(cause, requests.HTTPError) and cause.response is not None:
        status, kind = cause.response.status_code, cause.response.headers.get("Content-Type", "")
        return _passing(status) or (status == 404 and not re.search("json|xml", kind))
    if isinstance(cause, requests.RequestException | OperationalError | ConnectionError | TimeoutError):
        return True
    if not isinstance(failure, MlflowException):
        return False
    if not isinstance(failure, RestException) and _PROXY.match(failure.message):
        return True
    told = isinstance(failure, RestException) or failure.error_code != "INTERNAL_ERROR"  # else it arose in this process
    return told and _passing(failure.get_http_status_code())


def is_stranger(failure: Exception) -> bool:
    """True when the server does not know whoever asks, or does not let them."""
    cause = _cause(failure)
    if isinstance(cause, requests.HTTPError) and cause.response is not None:
        return cause.response.status_code in _STRANGER
    return isinstance(failure, MlflowException) and failure.get_http_status_code() in _STRANGER


def is_refusal(failure: Exception) -> bool:
    """True when the server has answered, and what it said is about this request: another one may well be taken."""
    cause = _cause(failure)
    if isinstance(cause, requests.exceptions.RetryError):  # what MLflow's client makes of an answer that it asked again
        return "too many 500 error responses" in str(cause)
    return is_stranger(failure)


def _cause(failure: Exception) -> BaseException | None:
    return failure.__cause__ or failure.__context__ if isinstance(failure, MlflowException) else failure


def why(failure: Exception) -> str:
    """A failure in one line, without the name and password that an address may hold."""
    return re.sub(r"//[^/@\s]+@", "//", " ".join(str(failure).split()))[:300]


def _passing(status: int) -> bool:
    return status >= 500 or status in _AWAY


def _shut_out(uri: str) -> AufrufError:
    return AufrufError(
        "the MLflow server does not let you in",
        where=_place(uri),
        next="Log in: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account that may do this.",
    )


def _place(uri: str) -> str:
    parsed = urlparse(uri)
    return f"{parsed.hostname}:{parsed.port}" if parsed.hostname else "the embedded database"


def _gave_up(failure: Exception, uri: str, patience: float) -> AufrufError:
    return AufrufError(
        f"the MLflow server has not answered for {patience:g} seconds ({why(failure)})",
        where=_place(uri),
        next="Start it and run the command again: it goes on from what is done, a trained model is kept.",
    )
