"""What several machines need before the first night: Airflow's tables and pools, the bucket, MLflow's webhook.

``python -m aufruf.stack.cluster`` runs before Airflow's components start, each time; what is there already it leaves.
"""

import base64
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

from aufruf.errors import AufrufError, StackError
from aufruf.settings import Settings
from aufruf.stack import webhook
from aufruf.stack.environment import GPU_POOL, Site

log = logging.getLogger(__name__)


def prepare(settings: Settings, env: Mapping[str, str] = os.environ) -> None:
    """Make what is not there yet. Raises StackError when a part does not answer."""
    for folder in (settings.inbox_annotations, settings.inbox_posts, settings.reports):
        folder.mkdir(parents=True, exist_ok=True)
    _bucket(settings.lake)
    _airflow("db", "migrate")
    if not _has_pool():
        _airflow("pools", "import", str(Site(settings, env).pools))
    if slots := env.get("AUFRUF_GPU_SLOTS"):
        _airflow("pools", "set", "gpu", slots, GPU_POOL)
    secret = env.get("AUFRUF_WEBHOOK_SECRET_FILE")
    if secret and settings.tracking_uri.startswith("http"):
        known = webhook.register(
            settings.tracking_uri, env["AUFRUF_AIRFLOW_INSIDE"], Path(secret).read_text("utf-8").strip(), _login(env)
        )
        if not known:  # all else works, and nothing of it would start
            log.warning(
                "MLflow took no webhook: only the next scoring will notice a champion that was moved by hand. "
                "If mlflow_webhook_key is another one, docs/runbook.md has the lines; else look at MLflow's log."
            )


def _bucket(lake: str) -> None:
    place = urlparse(lake)
    if place.scheme != "s3":
        return
    import boto3
    from botocore.exceptions import ClientError

    store = boto3.client("s3")
    try:
        store.head_bucket(Bucket=place.netloc)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
            raise StackError(f"the bucket cannot be opened: {error}", where=lake, next="Look at the keys.") from None
        region = store.meta.region_name
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        store.create_bucket(Bucket=place.netloc, **where)


def _has_pool() -> bool:
    asked = [sys.executable, "-m", "airflow", "pools", "get", "gpu"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def _airflow(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "airflow", *arguments], check=False)
    if done.returncode != 0:
        raise StackError(f"`airflow {' '.join(arguments[:2])}` failed", next="Its output is above.")


def _login(env: Mapping[str, str]) -> str | None:
    user, word = env.get("MLFLOW_TRACKING_USERNAME"), env.get("MLFLOW_TRACKING_PASSWORD")
    return f"Basic {base64.b64encode(f'{user}:{word}'.encode()).decode()}" if user and word else None


if __name__ == "__main__":
    try:
        prepare(Settings.load())
    except AufrufError as failure:
        sys.exit(failure.sentence())
