"""What keeps texts on one side: the same wording, the same post, near-duplicates, and chains of these."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aufruf.data.duplicates import components, near_groups
from aufruf.data.identity import fold
from aufruf.schemas import SPLITS

Key = tuple[str, ...]  # ("digest", digest), ("reads", folded text), ("post", platform, post id)


@dataclass(frozen=True)
class Node:
    """A text of the ledger, or a new one (``split`` and ``group`` are empty)."""

    text_id: str
    digest: str
    split: str
    group: str
    positive: bool
    text_type: str
    reads: str  # folded text; "" when the stored text is gone
    keys: frozenset[Key]  # what it shares with others, exactly


def nodes(ledger: pd.DataFrame, labels: pd.DataFrame, texts: pd.DataFrame, positive: str) -> list[Node]:
    """Ledger texts that have a side, and decided texts that are not in the ledger, by ascending text_id.

    Texts that were set aside are in no split: nothing can leak to or from them, so they connect nothing.
    """
    label_of = dict(zip(labels["text_id"], labels["label"], strict=True))
    known, stored = _by_id(ledger), _by_id(texts)
    homeless = {text["post_id"] for text in stored.values() if not isinstance(text["platform"], str)}
    decided = {text_id for text_id, label in label_of.items() if isinstance(label, str)}
    new = (decided & set(stored)) - set(known)
    assigned = {text_id for text_id, row in known.items() if row["split"] in SPLITS}
    return [
        _node(text_id, known.get(text_id), stored.get(text_id), label_of.get(text_id) == positive, homeless)
        for text_id in sorted(assigned | new)
    ]


def connected(members: Sequence[Node], threshold: float) -> list[list[Node]]:
    """The connected groups: by a shared key, or by a chain of near-duplicates (see ``near_groups``)."""
    near = near_groups([node.reads for node in members], threshold)
    # Where the stored text is gone, nothing is known of how it reads: such texts are not like each other.
    links = [
        node.keys | {("near", str(number))} if node.reads else node.keys
        for node, number in zip(members, near, strict=True)
    ]
    groups: dict[int, list[Node]] = defaultdict(list)
    for node, number in zip(members, components(links), strict=True):
        groups[int(number)].append(node)
    return list(groups.values())


def _by_id(frame: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    return {row["text_id"]: row for row in frame.to_dict("records")}


def _node(
    text_id: str,
    row: dict[Any, Any] | None,
    text: dict[Any, Any] | None,
    positive: bool,
    homeless: set[Any],
) -> Node:
    reads = fold(text["text"]) if text else ""
    digests = {found["digest"] for found in (row, text) if found}
    return Node(
        text_id=text_id,
        digest=row["digest"] if row else text["digest"] if text else "",
        split=row["split"] if row else "",
        group=row["group_id"] if row else "",
        positive=positive,
        text_type=text["text_type"] if text else "",
        reads=reads,
        keys=frozenset(_keys(digests, reads, text or {}, homeless)),
    )


def _keys(digests: Iterable[str], reads: str, text: dict[Any, Any], homeless: set[Any]) -> Iterator[Key]:
    yield from (("digest", digest) for digest in digests)
    if reads:
        yield "reads", reads
    post_id, platform = text.get("post_id"), text.get("platform")
    if isinstance(post_id, str) and isinstance(platform, str):
        yield "post", platform, post_id
    if isinstance(post_id, str) and post_id in homeless:  # some text of this post does not say its platform
        yield "post", "", post_id
