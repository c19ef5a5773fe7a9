"""Calls the plugin's endpoint in a fresh Airflow, prints what came of each call as one JSON object.

A script of its own, because importing Airflow changes the logging of the process that does it.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid
from pathlib import Path

from airflow.models.asset import AssetActive, AssetEvent, AssetModel
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import select

sys.path.insert(0, sys.argv[1])
import registry_webhook

SECRET = registry_webhook.secret()
PATH = registry_webhook.PATH


def body(**changed):
    data = {"name": "call_to_action", "alias": "champion", "version": "7"} | changed
    return json.dumps({"entity": "model_version_alias", "action": "created", "timestamp": "t", "data": data}).encode()


def headers(sent, delivery=None, at=None, secret=SECRET, scheme="v1"):
    delivery, stamp = delivery or str(uuid.uuid4()), str(int(time.time() if at is None else at))
    signed = f"{delivery}.{stamp}.".encode() + sent
    signature = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": f"{scheme},{signature}",
    }


def events():
    with create_session() as session:
        return [event.extra for event in session.scalars(select(AssetEvent).order_by(AssetEvent.id))]


def main():
    with create_session() as session:
        name, uri = "call_to_action.champion", "aufruf://call_to_action/champion"
        asset = AssetModel(name=name, uri=uri, group="aufruf", extra={})
        session.add_all([asset, AssetActive.for_asset(asset)])
    client, found = TestClient(registry_webhook.app), {}

    def call(case, sent, given, method="POST", path=PATH):
        before = len(events())
        answer = client.request(method, path, content=sent, headers=given)
        found[case] = [answer.status_code, answer.text, events()[before:]]

    good = headers(body())
    call("good", body(), good)
    call("replayed", body(), good)
    call("unsigned", body(), {})
    call("other secret", body(), headers(body(), secret="guess"))
    call("no secret", body(), headers(body(), secret=""))
    call("other body", body(version="8"), headers(body()))
    call("other delivery", body(), good | {"X-MLflow-Delivery-Id": str(uuid.uuid4())})
    call("other time", body(), good | {"X-MLflow-Timestamp": str(int(time.time()) + 1)})
    call("other scheme", body(), headers(body(), scheme="v0"))
    call("no base64", body(), good | {"X-MLflow-Signature": "v1,\u00fc".encode()})
    call("old", body(), headers(body(), at=time.time() - 301))
    call("ahead", body(), headers(body(), at=time.time() + 420))
    call("no number", body(), good | {"X-MLflow-Timestamp": "now"})
    large = b'{"entity": "' + b"x" * 20_000 + b'"}'
    call("large", large, headers(large))
    call("large unsigned", iter([b"x" * 10_000] * 3), {})
    no_data = b'{"entity": "model_version_alias", "action": "created"}'
    for case, sent in {"no json": b"{", "a list": b"[]", "no data": no_data}.items():
        call(case, sent, headers(sent))
    call("number", (sent := body(version=7)), headers(sent))
    call("other alias", (sent := body(alias="challenger")), headers(sent))
    call("other model", (sent := body(name="<script>alert(1)</script>")), headers(sent))
    deleted = b'{"entity": "model_version_alias", "action": "deleted", "data": {}}'
    call("other event", deleted, headers(deleted))
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        call(method, None, good, method)
    for path in ("/docs", "/openapi.json", "/"):
        call(path, None, good, "GET", path)
    call("next", (sent := body(version="8")), headers(sent))
    Path(registry_webhook.os.environ[registry_webhook.SECRET_FILE]).unlink()
    call("secret lost", body(), headers(body()))
    call("secret lost, empty one used", body(), headers(body(), secret=""))
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(main()))
