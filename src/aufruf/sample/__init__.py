"""A small election campaign written for this project: nothing and nobody in it is real.

The state of Westermark, its parties, candidates and towns are invented, every sentence is our own, and one
seed makes the same bytes each time. The files have the shape of the exports that researchers really bring.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aufruf.sample import annotations, scrapes
from aufruf.sample.posts import Campaign, SamplePost, accounts
from aufruf.sample.wording import parties

__all__ = ["write_sample"]

IN_ZEESCHUIMER = 262  # of the 400 later posts, the first ones
IN_BOTH = 66  # of these, the last ones are in the 4CAT table too
EDITED = 6  # of those in both, captions that were edited before 4CAT saw them


def write_sample(directory: Path, seed: int = 5460) -> list[Path]:
    """Write the sample campaign's exports into `directory` (made if missing) and return the files' paths.

    Three Label Studio exports of about 700 texts (one per annotator), about 400 later posts without
    annotations as Zeeschuimer NDJSON and 4CAT CSV, and a table of authors with their parties.
    """
    campaign = Campaign(seed)
    annotated = campaign.annotated()
    later = campaign.later(annotated)
    seen_by_4cat = _edited(later[IN_ZEESCHUIMER - IN_BOTH :])
    contents = {
        person.file_name: _json(annotations.export(person, annotated, seed)) for person in annotations.ANNOTATORS
    }
    contents["posts_zeeschuimer.ndjson"] = _ndjson(scrapes.zeeschuimer(later[:IN_ZEESCHUIMER], seed))
    contents["posts_4cat.csv"] = _csv(scrapes.fourcat(seen_by_4cat, seed), scrapes.COLUMNS)
    contents["authors.csv"] = _csv(_authors(), ["author", "party"])
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(directory / name, content) for name, content in contents.items()]


def _edited(posts: list[SamplePost]) -> list[SamplePost]:
    """The posts, the first few with captions that their authors corrected later."""
    return [_corrected(post) if number < EDITED else post for number, post in enumerate(posts)]


def _corrected(post: SamplePost) -> SamplePost:
    caption = post.texts[0]
    return replace(post, texts=[replace(caption, text=f"{caption.text}\n\nEdit: Tippfehler korrigiert.")])


def _authors() -> Iterable[dict[str, Any]]:
    pairs = {author: party.name for party in parties() for author, _ in accounts(party)}
    return [{"author": author, "party": party} for author, party in pairs.items()]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _ndjson(items: Iterable[object]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def _csv(rows: Iterable[dict[str, Any]], columns: list[str]) -> str:
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="\n")
    return path
