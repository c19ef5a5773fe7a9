"""The sample campaign's files have the shapes of real exports, odd items included."""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

Json = dict[str, Any]
NAMES = ["anna", "ben", "cem"]
POST_ID = re.compile(r"[A-Za-z0-9_-]{11}|\d{19}")


def caption(item: Json) -> str | None:
    """An item-list item's caption."""
    found = item["data"].get("caption")
    return found["text"] if found else None


def test_label_studio_tasks_have_the_exports_fields(tasks: dict[str, list[Json]]) -> None:
    """Every task, annotation and result carries the keys that the full JSON export has."""
    task_keys = {"id", "data", "annotations", "drafts", "predictions", "meta", "created_at", "updated_at"}
    task_keys |= {"inner_id", "total_annotations", "cancelled_annotations", "total_predictions", "project"}
    fields = {
        "Text",
        "Identifier",
        "Text Type",
        "Post Type",
        "uuid",
        "Image",
        "Username",
        "Party",
        "Timestamp",
    }
    annotation_keys = {
        "id",
        "completed_by",
        "result",
        "was_cancelled",
        "ground_truth",
        "created_at",
        "updated_at",
    }
    annotation_keys |= {"lead_time", "result_count", "unique_id", "task", "project"}
    for task in (task for name in NAMES for task in tasks[name]):
        assert task_keys <= task.keys()
        assert task["data"].keys() == fields
        for annotation in task["annotations"]:
            assert annotation_keys <= annotation.keys()
            assert annotation["task"] == task["id"]
            for result in annotation["result"]:
                named = result["from_name"], result["to_name"], result["type"]
                assert named == ("Call to Action", "Text", "choices")
                assert set(result["value"]["choices"]) <= {"True", "False", "Unsure"}


def test_completed_by_is_a_number_in_one_export(tasks: dict[str, list[Json]]) -> None:
    """Ben's export names its annotator by number, the other two by an object with an id."""
    people = {name: [task["annotations"][0]["completed_by"] for task in tasks[name]] for name in NAMES}
    assert {type(person) for person in people["ben"]} == {int}
    assert {person["id"] for person in people["anna"]}.isdisjoint({person["id"] for person in people["cem"]})


def test_every_export_has_gaps(texts: dict[str, str], tasks: dict[str, list[Json]]) -> None:
    """Each annotator misses a few texts, leaves a few empty and cancels a few, with and without a choice."""
    for name in NAMES:
        annotations = [task["annotations"][0] for task in tasks[name]]
        kinds = Counter((bool(found["result"]), found["was_cancelled"]) for found in annotations)
        assert 0 < len(texts) - len(annotations) < 10
        assert min(kinds[False, True], kinds[False, False], kinds[True, True]) > 0
        assert kinds[True, False] > 0.97 * len(annotations)


def test_identifiers_are_invented_ids_with_a_type(tasks: dict[str, list[Json]]) -> None:
    """Posts have 11-character shortcodes, stories 19 digits; no identifier comes twice in one export."""
    for name in NAMES:
        identifiers = [task["data"]["Identifier"] for task in tasks[name]]
        assert len(set(identifiers)) == len(identifiers)
        for task in tasks[name]:
            post_id, _, kind = task["data"]["Identifier"].rpartition("-")
            assert POST_ID.fullmatch(post_id)
            assert kind == task["data"]["Text Type"]
            assert (len(post_id) == 11) == (task["data"]["Post Type"] == "Post")


def test_zeeschuimer_items_have_its_envelope(items: list[Json]) -> None:
    """Every line has the ten keys of the export, and the item's code as its id."""
    keys = ["id", "nav_index", "item_id", "timestamp_collected", "last_updated", "source_platform"]
    keys += ["source_platform_url", "source_url", "user_agent", "data"]
    assert all(list(item) == keys for item in items)
    assert all(item["item_id"] == item["data"].get("code", item["data"].get("shortcode")) for item in items)


def test_zeeschuimer_items_come_in_odd_kinds(items: list[Json]) -> None:
    """An ad, a legacy item, one without a time, partial ones, ones without a caption, carousels, videos."""
    kinds = Counter(item["data"]["__typename"] for item in items)
    media = Counter(item["data"].get("media_type") for item in items)
    polaris = next(item["data"] for item in items if item["data"]["__typename"].startswith("XIGPolaris"))
    assert kinds == {"XDTMediaDict": len(items) - 2, "GraphImage": 1, "XIGPolarisMediaDict": 1}
    assert "taken_at" not in polaris
    assert sum(item["data"].get("product_type") == "ad" for item in items) == 1
    assert sum(item["data"]["_zs_partial"] for item in items) == 3
    assert 3 <= sum("caption" in item["data"] and caption(item) is None for item in items) <= 10
    assert min(media[1], media[2], media[8]) >= 20
    assert all(item["data"]["carousel_media"] for item in items if item["data"].get("media_type") == 8)


def test_4cat_rows_have_its_columns(rows: list[dict[str, str]]) -> None:
    """The columns that readers rely on are there, and times agree with each other."""
    needed = {
        "id",
        "thread_id",
        "parent_id",
        "url",
        "body",
        "author",
        "timestamp",
        "unix_timestamp",
        "media_type",
    }
    needed |= {"collected_from_url", "partial_item", "num_media", "hashtags", "likes_hidden", "missing_media"}
    assert needed <= rows[0].keys()
    assert len(rows[0]) == 33
    assert {row["media_type"] for row in rows} == {"photo", "video"}
    assert all(row["url"].endswith(f"/p/{row['id']}") for row in rows)
    assert all("2025-09-14" <= row["timestamp"] < "2025-09-27" for row in rows)


def test_two_scrapes_share_sixty_posts(items: list[Json], rows: list[dict[str, str]]) -> None:
    """About 400 posts, 60 of them in both files with the same text, a few more with an edited one."""
    scraped = {item["item_id"]: caption(item) for item in items if item["data"]["__typename"] == "XDTMediaDict"}
    bodies = {row["id"]: row["body"] for row in rows}
    both = scraped.keys() & bodies.keys()
    assert len({item["item_id"] for item in items} | bodies.keys()) == 400
    assert sum(scraped[code] == bodies[code] for code in both) == 60
    assert sum(scraped[code] != bodies[code] for code in both) == 6


def test_later_posts_repost_annotated_texts(
    texts: dict[str, str], items: list[Json], rows: list[dict[str, str]]
) -> None:
    """Three or more later captions repeat a long annotated text word for word; no later id was annotated."""
    later = {row["id"]: row["body"] for row in rows}
    later |= {item["item_id"]: caption(item) or "" for item in items}
    annotated = {text for text in texts.values() if len(text) > 60}
    assert sum(text in annotated for text in later.values()) >= 3
    assert later.keys().isdisjoint({text_id.rpartition("-")[0] for text_id in texts})


def test_annotated_posts_are_older(tasks: dict[str, list[Json]]) -> None:
    """Annotated posts were published from August to mid-September 2025."""
    times = {task["data"]["Timestamp"] for name in NAMES for task in tasks[name]}
    assert min(times) >= "2025-08-01"
    assert max(times) < "2025-09-17"


def test_every_author_has_a_party(campaign: Path, tasks: dict[str, list[Json]], rows: list[dict[str, str]]) -> None:
    """The table names every author once, with the party that the annotated posts give."""
    with (campaign / "authors.csv").open(encoding="utf-8", newline="") as table:
        listed = list(csv.DictReader(table))
    parties = {row["author"]: row["party"] for row in listed}
    assert len(parties) == len(listed)
    assert len(set(parties.values())) == 5
    assert {row["author"] for row in rows} <= parties.keys()
    for task in tasks["anna"]:
        assert parties[task["data"]["Username"]] == task["data"]["Party"]
