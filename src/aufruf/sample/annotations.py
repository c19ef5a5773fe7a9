"""What three annotators said about the texts, as three Label Studio exports (full JSON)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from random import Random
from typing import Any
from uuid import UUID

from aufruf.sample.posts import SamplePost, SampleText

Json = dict[str, Any]
STARTED = datetime(2025, 9, 14, 8, tzinfo=UTC)

# Chance of a vote against the author's intent, and of "Unsure", by clarity of the text.
FLIPS = {"clear": 0.04, "unclear": 0.27, "unreadable": 0.0}
UNSURE = {"clear": 0.012, "unclear": 0.1, "unreadable": 1.0}


@dataclass(frozen=True)
class Annotator:
    """One person; `named` says whether the export gives name and address or only the number."""

    number: int
    first_name: str
    named: bool

    @property
    def file_name(self) -> str:
        return f"annotations_{self.first_name.lower()}.json"

    def completed_by(self) -> int | Json:
        """The field as the two editions of Label Studio write it."""
        if not self.named:
            return self.number
        name = self.first_name
        return {
            "id": self.number,
            "email": f"{name.lower()}@uni.example",
            "first_name": name,
            "last_name": "",
        }


ANNOTATORS = (Annotator(21, "Anna", True), Annotator(22, "Ben", False), Annotator(23, "Cem", True))


def export(annotator: Annotator, posts: list[SamplePost], seed: int) -> list[Json]:
    """The annotator's tasks. A handful is missing, a few are skipped: cancelled, empty, or both."""
    rng = Random(f"{seed}/{annotator.number}")
    pairs = [(post, text) for post in posts for text in post.texts]
    odd = rng.sample(range(len(pairs)), 14)
    missing, skipped, emptied, dropped = set(odd[:5]), set(odd[5:8]), set(odd[8:11]), set(odd[11:14])
    tasks = []
    for row, (post, text) in enumerate(pairs):
        task = _task(annotator, row, post, text)
        vote = _vote(text, rng)
        if row in missing:
            continue
        choices = [] if row in skipped | emptied else [vote]
        annotation = _annotation(annotator, task, choices, row in skipped | dropped, rng)
        tasks.append(_with_annotation(task, annotation))
    return tasks


def _vote(text: SampleText, rng: Random) -> str:
    unsure, flipped = rng.random() < UNSURE[text.clarity], rng.random() < FLIPS[text.clarity]
    return "Unsure" if unsure else str(text.call != flipped)


def _task(annotator: Annotator, row: int, post: SamplePost, text: SampleText) -> Json:
    folder = "posts" if post.kind == "Post" else "stories"
    return {
        "id": annotator.number * 10_000 + row,
        "data": {
            "Text": text.text,
            "Identifier": f"{post.code}-{text.kind}",
            "Text Type": text.kind,
            "Post Type": post.kind,
            "uuid": row,
            "Image": str(PurePath(folder) / f"{post.code}.jpg"),
            "Username": post.scene.author,
            "Party": post.scene.party.name,
            "Timestamp": _iso(post.published),
        },
    }


def _annotation(annotator: Annotator, task: Json, choices: list[str], cancelled: bool, rng: Random) -> Json:
    seconds = round(rng.uniform(1.8, 24.0), 3)
    created = STARTED + timedelta(
        days=rng.randrange(5), seconds=rng.randrange(36_000), milliseconds=rng.randrange(1000)
    )
    return {
        "id": task["id"] * 3 + 1,
        "completed_by": annotator.completed_by(),
        "result": [_result(choice, rng) for choice in choices],
        "was_cancelled": cancelled,
        "ground_truth": False,
        "created_at": _iso(created),
        "updated_at": _iso(created + timedelta(seconds=1)),
        "draft_created_at": None,
        "lead_time": seconds,
        "prediction": {},
        "result_count": len(choices),
        "unique_id": str(UUID(int=rng.getrandbits(128), version=4)),
        "import_id": None,
        "last_action": None,
        "task": task["id"],
        "project": annotator.number,
        "updated_by": annotator.number,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    }


def _result(choice: str, rng: Random) -> Json:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return {
        "value": {"choices": [choice]},
        "id": "".join(rng.choices(letters, k=10)),
        "from_name": "Call to Action",
        "to_name": "Text",
        "type": "choices",
        "origin": "manual",
    }


def _with_annotation(task: Json, annotation: Json) -> Json:
    cancelled = int(annotation["was_cancelled"])
    return {
        "id": task["id"],
        "annotations": [annotation],
        "file_upload": "texts.json",
        "drafts": [],
        "predictions": [],
        "data": task["data"],
        "meta": {},
        "created_at": _iso(STARTED - timedelta(hours=1)),
        "updated_at": annotation["updated_at"],
        "inner_id": task["data"]["uuid"] + 1,
        "total_annotations": 1 - cancelled,
        "cancelled_annotations": cancelled,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": annotation["project"],
        "updated_by": annotation["updated_by"],
        "comment_authors": [],
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
