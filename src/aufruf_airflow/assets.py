"""The assets that tell one DAG that another has something new for it."""

from airflow.sdk import Asset, AssetWatcher

from aufruf.settings import Settings
from aufruf_airflow.inbox import InboxTrigger

GROUP = "aufruf"
POSTS = Asset("posts", uri="aufruf://posts", group=GROUP)


def inbox(settings: Settings) -> Asset:
    """Files that lie complete in the inbox; the triggerer watches the two folders."""
    folders = [str(settings.inbox_annotations), str(settings.inbox_posts)]
    watcher = AssetWatcher(name="inbox", trigger=InboxTrigger(folders))
    return Asset("inbox", uri="aufruf://inbox", group=GROUP, watchers=[watcher])


def labels(classifier: str) -> Asset:
    """Labels decided anew for a classifier."""
    return Asset(f"{classifier}.labels", uri=f"aufruf://{classifier}/labels", group=GROUP)


def champion(classifier: str) -> Asset:
    """A new model in use for a classifier."""
    return Asset(f"{classifier}.champion", uri=f"aufruf://{classifier}/champion", group=GROUP)
