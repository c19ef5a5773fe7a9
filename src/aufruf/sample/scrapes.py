"""Later posts as two scrapers saw them: Zeeschuimer items (NDJSON) and 4CAT rows (CSV)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32

from aufruf.sample.posts import SamplePost

Json = dict[str, Any]
COLLECTED = datetime(2025, 9, 27, 9, tzinfo=UTC)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
SITE = "https://www.instagram.com"
PHOTO, VIDEO, CAROUSEL = 1, 2, 8

# Positions of the odd items among the Zeeschuimer items.
AD, LEGACY, POLARIS, PARTIAL = 11, 23, 37, (52, 90)
NO_CAPTION = (5, 44, 71, 103, 131, 160)

COLUMNS = [
    "collected_from_url",
    "collected_from_view",
    "partial_item",
    "id",
    "timestamp",
    "thread_id",
    "parent_id",
    "url",
    "body",
    "author_id",
    "author",
    "author_fullname",
    "verified",
    "author_avatar_url",
    "coauthors",
    "coauthor_fullnames",
    "coauthor_ids",
    "media_type",
    "num_media",
    "image_urls",
    "media_urls",
    "hashtags",
    "usertags",
    "play_count",
    "likes_hidden",
    "num_likes",
    "num_comments",
    "location_name",
    "location_id",
    "location_latlong",
    "location_city",
    "unix_timestamp",
    "missing_media",
]


def zeeschuimer(posts: list[SamplePost], seed: int) -> Iterator[Json]:
    """One envelope per post; some are odd: an ad, a legacy item, partial ones, ones without a caption."""
    for number, post in enumerate(posts):
        rng = Random(f"{seed}/{post.code}")
        item = _legacy(post, rng) if number == LEGACY else _polaris(post) if number == POLARIS else _item(post, rng)
        if number == AD:
            item["product_type"] = "ad"
        if number in NO_CAPTION:
            item["caption"] = None
        item["_zs_partial"] = number in PARTIAL or number == POLARIS
        item["_zs_instagram_view"] = "user"
        yield _envelope(number, post, item)


def _envelope(number: int, post: SamplePost, item: Json) -> Json:
    collected = int((COLLECTED + timedelta(seconds=2 * number)).timestamp() * 1000)
    page = f"{SITE}/{post.scene.author}/"
    return {
        "id": number + 1,
        "nav_index": f"1:{3 + number // 40}:{number % 40}",
        "item_id": post.code,
        "timestamp_collected": collected,
        "last_updated": collected,
        "source_platform": "instagram.com",
        "source_platform_url": page,
        "source_url": page,
        "user_agent": AGENT,
        "data": item,
    }


def _media_type(post: SamplePost) -> int:
    return Random(post.code).choices([PHOTO, VIDEO, CAROUSEL], [60, 18, 22])[0]


def author_id(name: str) -> str:
    """An account's number: always the same for the same name."""
    return str(30_000_000_000 + crc32(name.encode()))


def full_name(post: SamplePost) -> str:
    """The name that the author's account shows."""
    scene = post.scene
    return scene.candidate.name if scene.author == scene.candidate.handle else scene.party.name


def _user(post: SamplePost) -> Json:
    number = author_id(post.scene.author)
    return {
        "id": number,
        "pk": number,
        "username": post.scene.author,
        "full_name": full_name(post),
        "profile_pic_url": _avatar(post),
        "is_verified": post.scene.author == post.scene.party.handle,
        "is_private": False,
    }


def _avatar(post: SamplePost) -> str:
    return f"https://media.example/avatar/{post.scene.author}.jpg"


def _images(post: SamplePost) -> list[str]:
    number = 3 if _media_type(post) == CAROUSEL else 1
    return [f"https://media.example/{post.code}_{index}.jpg" for index in range(number)]


def _item(post: SamplePost, rng: Random) -> Json:
    media = _media_type(post)
    likes = rng.randrange(4, 2400)
    item: Json = {
        "__typename": "XDTMediaDict",
        "code": post.code,
        "pk": str(post.pk),
        "id": f"{post.pk}_{author_id(post.scene.author)}",
        "taken_at": int(post.published.timestamp()),
        "media_type": media,
        "product_type": {PHOTO: "feed", VIDEO: "clips", CAROUSEL: "carousel_container"}[media],
        "caption": {"pk": str(post.pk + 7), "text": post.texts[0].text, "has_translation": True},
        "user": _user(post),
        "owner": _user(post),
        "coauthor_producers": _coauthors(post),
        "like_count": likes,
        "comment_count": likes // 17,
        "like_and_view_counts_disabled": False,
        "image_versions2": {"candidates": [{"url": _images(post)[0], "height": 1350, "width": 1080}]},
        "usertags": None,
        "location": None,
        "link": None,
        "carousel_media_count": None,
        "carousel_media": None,
        "video_versions": None,
        "view_count": None,
        "play_count": None,
    }
    if media == CAROUSEL:
        item["carousel_media"] = [_slide(post, number, url) for number, url in enumerate(_images(post))]
        item["carousel_media_count"] = len(item["carousel_media"])
    if media == VIDEO:
        item["video_versions"] = [{"url": f"https://media.example/{post.code}.mp4", "type": 101}]
        item["play_count"] = likes * 9
    return item


def _slide(post: SamplePost, number: int, url: str) -> Json:
    images = {"candidates": [{"url": url, "height": 1350, "width": 1080}]}
    return {
        "id": f"{post.pk + number + 1}",
        "media_type": PHOTO,
        "image_versions2": images,
        "video_versions": None,
    }


def _coauthors(post: SamplePost) -> list[Json]:
    if post.scene.author == post.scene.party.handle or crc32(post.code.encode()) % 6:
        return []
    party = post.scene.party
    return [{"id": author_id(party.handle), "username": party.handle, "full_name": party.name}]


def _legacy(post: SamplePost, rng: Random) -> Json:
    return {
        "__typename": "GraphImage",
        "id": str(post.pk),
        "shortcode": post.code,
        "taken_at_timestamp": int(post.published.timestamp()),
        "edge_media_to_caption": {"edges": [{"node": {"text": post.texts[0].text}}]},
        "display_url": _images(post)[0],
        "is_video": False,
        "owner": {
            "id": author_id(post.scene.author),
            "username": post.scene.author,
            "full_name": full_name(post),
        },
        "edge_media_preview_like": {"count": rng.randrange(4, 900)},
        "edge_media_preview_comment": {"count": rng.randrange(40)},
        "edge_media_to_tagged_user": {"edges": []},
        "location": None,
    }


def _polaris(post: SamplePost) -> Json:
    return {
        "__typename": "XIGPolarisMediaDict",
        "code": post.code,
        "id": str(post.pk),
        "caption": {"text": post.texts[0].text},
        "display_uri": _images(post)[0],
        "user": {"id": author_id(post.scene.author), "username": post.scene.author},
    }


def fourcat(posts: list[SamplePost], seed: int) -> Iterator[Json]:
    """One row of 4CAT's table per post."""
    for post in posts:
        rng = Random(f"{seed}/{post.code}")
        media, likes, images = _media_type(post), rng.randrange(4, 2400), _images(post)
        urls = [f"https://media.example/{post.code}.mp4"] if media == VIDEO else images
        partners = _coauthors(post)
        row = {
            "collected_from_url": f"{SITE}/{post.scene.author}/",
            "collected_from_view": "user",
            "partial_item": "no",
            "id": post.code,
            "timestamp": f"{post.published:%Y-%m-%d %H:%M:%S}",
            "thread_id": post.code,
            "parent_id": post.code,
            "url": f"{SITE}/p/{post.code}",
            "body": post.texts[0].text,
            "author_id": author_id(post.scene.author),
            "author": post.scene.author,
            "author_fullname": full_name(post),
            "verified": "yes" if post.scene.author == post.scene.party.handle else "no",
            "author_avatar_url": _avatar(post),
            "coauthors": ",".join(partner["username"] for partner in partners),
            "coauthor_fullnames": ",".join(partner["full_name"] for partner in partners),
            "coauthor_ids": ",".join(partner["id"] for partner in partners),
            "media_type": "video" if media == VIDEO else "photo",
            "num_media": len(urls),
            "image_urls": ",".join(images),
            "media_urls": ",".join(urls),
            "hashtags": ",".join(re.findall(r"#(\w+)", post.texts[0].text)),
            "play_count": likes * 9 if media == VIDEO else 0,
            "likes_hidden": "no",
            "num_likes": likes,
            "num_comments": likes // 17,
            "unix_timestamp": int(post.published.timestamp()),
        }
        yield {column: row.get(column, "") for column in COLUMNS}
