"""Telling people: by mail or by a webhook in Slack's format, as the section ``[notify]`` of a classifier file asks.

A notification that cannot be sent is a line in the log; it fails no task. Addresses are secrets and never logged.
"""

import asyncio
import contextlib
import html
import http.client
import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import get_current_context
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowException

from aufruf.classifier import Classifier, choose, names
from aufruf.errors import AufrufError
from aufruf.sections import Occasion
from aufruf.settings import Settings
from aufruf_airflow.links import PAGES, base_url, classifier_of

CURE = "cure"  # key under which a failing task leaves what to do: the note on its run is made of it
_SECONDS = 10.0
_LONGEST = 2000  # characters
_OCCASIONS: dict[str, Occasion] = {"refusals": "held_back", "drift": "drift"}  # tasks that fail in order to say so
_DECIDED: dict[str, Occasion] = {"first": "promoted", "promoted": "promoted", "waiting": "waiting"}

log = logging.getLogger(__name__)


def leave(sentence: str) -> None:
    """Leave what went wrong and what to do where the note on the run is made of it; nothing outside of a task."""
    with contextlib.suppress(RuntimeError):
        get_current_context()["ti"].xcom_push(CURE, sentence[:_LONGEST])


def addresses() -> dict[str, str]:
    """Where people find this task's run and our pages, as the settings take it; empty outside of a task."""
    base = base_url()
    try:
        ti = get_current_context()["ti"]
    except RuntimeError:
        return {}
    run = f"{base}/dags/{quote(ti.dag_id)}/runs/{quote(ti.run_id)}"
    return {"AUFRUF_RUN_URL": run, "AUFRUF_PAGES_URL": f"{base}{PAGES}"} if base else {}


def failed(context: Any) -> None:
    """What Airflow calls when a task has failed for good: tells the error's what, where and next."""
    ti, error = context["ti"], context.get("exception")
    ours = isinstance(error, AufrufError | AirflowException)
    why = str(error) if ours else f"{type(error).__name__ if error else 'it was killed'}; its log says more"
    classifier = classifier_of(ti.dag_id, ti.task_id)
    occasion = _OCCASIONS.get(ti.task_id, "failure")
    said = {"held_back": "Data was held back", "drift": "Drift"}.get(occasion, f"{ti.dag_id}: {ti.task_id} failed")
    tell(occasion, f"{said}: {why}", ti.log_url, [classifier] if classifier else names(Settings.load()))


def decided(name: str, result: dict[str, Any]) -> None:
    """Tell of a promotion, or that a challenger waits for a person; an old decision found again is no news."""
    occasion = _DECIDED.get(result["verdict"])
    if occasion is None or result.get("status") == "unchanged":
        return
    what = "was promoted" if occasion == "promoted" else "waits for approval"
    why = "; ".join(result["reasons"])[:_LONGEST]
    tell(
        occasion, f"{name}: version {result['challenger']} {what}: {why}", addresses().get("AUFRUF_RUN_URL", ""), [name]
    )


def deadline(classifier: Classifier) -> DeadlineAlert | None:
    """When a night counts as late, and who is told; None when nobody asks for it."""
    if not classifier.notify.wants("late"):
        return None
    hours = classifier.notify.late_hours + (classifier.gate.answer_hours if classifier.gate.mode == "approve" else 0)
    told = AsyncCallback(late, kwargs={"classifier": classifier.name, "hours": hours})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(hours=hours), told)


async def late(classifier: str, hours: float, context: Any = None) -> None:
    """What the triggerer calls when a night has passed its deadline."""
    run = (context or {}).get("dag_run", {})
    where = f"{base_url()}/dags/{quote(classifier)}.train/runs/{quote(run.get('dag_run_id', ''))}"
    text = f"{classifier}: the night is late: not done {hours:g} hours after it began"
    await asyncio.to_thread(tell, "late", text, where, [classifier])


def tell(occasion: Occasion, text: str, where: str, classifiers: list[str]) -> None:
    """Send a text, and where to look, to everybody whom one of these classifiers' files names for the occasion."""
    text = text[:_LONGEST]
    webhooks, mails = set[str](), dict[tuple[str, ...], str]()
    for notify in _wanted(occasion, classifiers):
        if notify.webhook:
            webhooks.add(notify.webhook)
        if notify.email:
            mails[notify.email] = notify.connection
    for variable in sorted(webhooks):
        _post(variable, f"{text}\n{where}".strip())
    for to, connection in mails.items():
        _mail(to, connection, text, where)


def _wanted(occasion: Occasion, classifiers: list[str]) -> Iterator[Any]:
    settings = Settings.load()
    for name in classifiers:
        with contextlib.suppress(AufrufError):  # a broken file is told of elsewhere
            notify = choose(settings, name).notify
            if notify.wants(occasion):
                yield notify


def _post(variable: str, text: str) -> None:
    """POST ``{"text": ...}``, escaped as Slack asks, to the address in an environment variable."""
    address = os.environ.get(variable, "")
    if not _is_web(address):
        log.warning("Nobody was notified: the environment variable %s holds no http(s) address.", variable)
        return
    body = json.dumps({"text": html.escape(text, quote=False)}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        address, body, {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            log.info("Notified %s: %s.", variable, answer.status)
    except (OSError, ValueError, http.client.HTTPException) as error:
        log.warning("Nobody was notified: the address in %s did not take it (%s).", variable, type(error).__name__)


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:  # brackets that are no IPv6 address
        return False


def _mail(to: tuple[str, ...], connection: str, text: str, where: str) -> None:
    """Send a mail through Airflow's connection; the hook, since a notifier would take the text for a template."""
    try:
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        body = f'<p>{html.escape(text)}</p><p><a href="{html.escape(where)}">{html.escape(where)}</a></p>'
        subject = " ".join(text.split())[:150]
        with SmtpHook(smtp_conn_id=connection) as hook:
            hook.send_email_smtp(to=list(to), subject=subject, html_content=body)
    except (AirflowException, ImportError, OSError, ValueError) as error:
        log.warning("Nobody was notified: the mail through %s failed (%s).", connection, type(error).__name__)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is meant for one address goes to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())
