"""The sample campaign, written once, and its files as Python objects."""

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from aufruf.sample import write_sample

Json = dict[str, Any]
NAMES = ["anna", "ben", "cem"]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample campaign."""
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory)
    return directory


@pytest.fixture(scope="module")
def tasks(campaign: Path) -> dict[str, list[Json]]:
    """The tasks of the three Label Studio exports, by annotator."""
    return {name: json.loads((campaign / f"annotations_{name}.json").read_text("utf-8")) for name in NAMES}


@pytest.fixture(scope="module")
def texts(tasks: dict[str, list[Json]]) -> dict[str, str]:
    """Every annotated text by its identifier."""
    return {task["data"]["Identifier"]: task["data"]["Text"] for name in NAMES for task in tasks[name]}


@pytest.fixture(scope="module")
def votes(tasks: dict[str, list[Json]]) -> dict[str, list[str]]:
    """The votes that count, by the text's identifier."""
    found: dict[str, list[str]] = defaultdict(list)
    for task in (task for name in NAMES for task in tasks[name]):
        for annotation in task["annotations"]:
            if annotation["result"] and not annotation["was_cancelled"]:
                found[task["data"]["Identifier"]] += annotation["result"][0]["value"]["choices"]
    return found


@pytest.fixture(scope="module")
def items(campaign: Path) -> list[Json]:
    """The Zeeschuimer items."""
    lines = (campaign / "posts_zeeschuimer.ndjson").read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="module")
def rows(campaign: Path) -> list[dict[str, str]]:
    """The rows of the 4CAT table."""
    with (campaign / "posts_4cat.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))
