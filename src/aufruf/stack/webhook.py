"""MLflow told to tell Airflow when an alias moves."""

from typing import Any

from aufruf.settings import Settings
from aufruf.stack.api import fetch
from aufruf.stack.environment import urls, webhook_secret

NAME = "aufruf"
PATH = "/aufruf/registry/alias"  # where plugins/registry_webhook.py listens


def register(settings: Settings) -> bool:
    """Make the webhook in the embedded MLflow server, or bring the one that is there up to date.

    False when the server does not take it: the stack works without, a moved alias is then noticed by the next scoring.
    """
    api = f"{urls(settings)['mlflow']}/api/2.0/mlflow/webhooks"
    found = fetch(f"{api}?max_results=100")
    if not isinstance(found, dict):
        return False
    wanted: dict[str, Any] = {
        "name": NAME,
        "description": "Tells Airflow that an alias moved, so that a new champion scores at once.",
        "url": f"{urls(settings)['airflow']}{PATH}",
        "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
        "secret": webhook_secret(settings),  # MLflow does not say which one it has
        "status": "ACTIVE",
    }
    ours = [one["webhook_id"] for one in found.get("webhooks", []) if one["name"] == NAME]
    if ours:
        return fetch(f"{api}/{ours[0]}", wanted, method="PATCH") is not None
    return fetch(api, wanted) is not None
