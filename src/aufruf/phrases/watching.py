"""What the commands ``monitor`` and ``queue`` tell a person."""

from typing import Any

from aufruf.reports.inert import counted

_SAMPLES = {"training": "labelled texts", "weeks": "texts of the weeks before"}


def monitor(result: dict[str, Any], failed: bool = False) -> list[str]:
    """What has moved, and where the page is; with ``failed`` the failed check has said what."""
    if "page" not in result:
        return [f"version {result['model_version']}: {result['texts']} new texts are too few to say anything"]
    against = " and ".join(f"{count} {_SAMPLES[name]}" for name, count in result["compared"].items())
    lines = [f"version {result['model_version']}: {result['texts']} new texts up to {result['day']} against {against}"]
    nothing = "nothing has moved" if result["shifts"] else "too few texts to compare them with"
    if not failed:
        lines += [f"MOVED: {one}" for one in result["told"]] or [nothing]
    return [*lines, f"page: {result['page']}"]


def queue(result: dict[str, Any]) -> list[str]:
    """How many texts were chosen, and why."""
    why = ", ".join(f"{count} {name}" for name, count in result["why"].items())
    return [
        f"{counted(result['queued'], 'task')} written to {result['queue']}" + (f": {why}" if why else " - nothing new")
    ]
