"""MLflow told to tell Airflow when an alias moves."""

from typing import Any

from aufruf.stack.api import fetch

NAME = "aufruf"
PATH = "/aufruf/registry/alias"  # where plugins/registry_webhook.py listens


def register(mlflow: str, airflow: str, secret: str, login: str | None = None) -> bool:
    """Make the webhook in the MLflow server, or bring the one that is there up to date; ``login``: a header's value.

    False when the server does not take it: all works without, a moved alias is then noticed by the next scoring.
    """
    api = f"{mlflow}/api/2.0/mlflow/webhooks"
    found = fetch(f"{api}?max_results=100", login=login)
    if not isinstance(found, dict):
        return False
    wanted: dict[str, Any] = {
        "name": NAME,
        "description": "Tells Airflow that an alias moved, so that a new champion scores at once.",
        "url": f"{airflow}{PATH}",
        "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
        "secret": secret,  # MLflow does not say which one it has
        "status": "ACTIVE",
    }
    ours = [one["webhook_id"] for one in found.get("webhooks", []) if one["name"] == NAME]
    if ours:
        return fetch(f"{api}/{ours[0]}", wanted, login=login, method="PATCH") is not None
    return fetch(api, wanted, login=login) is not None
