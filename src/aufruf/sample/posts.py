"""The campaign's posts and stories: who published what and when, under which id."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Literal

from aufruf.sample import noise
from aufruf.sample.texts import Ask, Writer
from aufruf.sample.wording import Candidate, Decks, Party, Scene, parties, words

TextType = Literal["Caption", "OCR", "Transcription"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
EPOCH_MS = 1314220021721  # Instagram counts the milliseconds in its ids from here (August 2011)
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", " ": "_"})

CAMPAIGN_STARTS = datetime(2025, 8, 1, 6, tzinfo=UTC)
LATER_STARTS = datetime(2025, 9, 14, 6, tzinfo=UTC)
POSTS, STORIES, LATER_POSTS = 228, 254, 400

# Share of texts that ask for something; Achmann-Denkler et al. 2024 found 49.6 % of posts, 10.6 % of stories.
CALL_SHARE = {("Post", "Caption"): 0.48, ("Post", "OCR"): 0.17, ("Post", "Transcription"): 0.3}
CALL_SHARE |= {("Story", "OCR"): 0.14, ("Story", "Transcription"): 0.16}
UNCLEAR_SHARE = 0.065


@dataclass(frozen=True)
class SampleText:
    """One text; `call` is what its author meant, `clarity` how well annotators can see that."""

    kind: TextType
    text: str
    call: bool
    clarity: Literal["clear", "unclear", "unreadable"] = "clear"


@dataclass
class SamplePost:
    """A post or a story with its texts; `pk` is its long id, `code` the short one of posts."""

    kind: Literal["Post", "Story"]
    pk: int
    published: datetime
    scene: Scene
    texts: list[SampleText] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The shortcode of a post (the id in base 64), the long id of a story."""
        return shortcode(self.pk) if self.kind == "Post" else str(self.pk)


def shortcode(pk: int) -> str:
    """A post's id in Instagram's base 64: 11 characters."""
    digits = []
    while pk:
        pk, rest = divmod(pk, 64)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def accounts(party: Party) -> Iterator[tuple[str, Candidate]]:
    """A party's accounts: its own, its candidates', two local chapters'."""
    yield party.handle, party.candidates[0]
    for candidate in party.candidates:
        yield candidate.handle, candidate
    first = parties().index(party) * 2
    for town, candidate in zip(words("towns")[first : first + 2], party.candidates[1:], strict=True):
        yield f"{party.handle}_{town.lower().translate(UMLAUTS)}", candidate


class Campaign:
    """Invents posts, one after another, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.writer = Writer(self.rng, Decks(self.rng))
        self.seen: set[str] = set()

    def annotated(self) -> list[SamplePost]:
        """The posts of August and early September, whose texts people annotated."""
        posts = [self._post(CAMPAIGN_STARTS, days=43, captions_only=False) for _ in range(POSTS)]
        posts += [self._story() for _ in range(STORIES)]
        self._lengthen(posts)
        self._decompose(posts)
        posts += self._one_word_stories(8) + self._unreadable_stories(3)
        posts += self._reposts(posts, same=8, changed=20)
        return sorted(posts, key=lambda post: post.pk)

    def later(self, annotated: list[SamplePost]) -> list[SamplePost]:
        """Posts of the last two weeks before the election, captions only; a few repost annotated ones."""
        captions = [text for post in annotated for text in post.texts if text.kind == "Caption"]
        posts = [self._post(LATER_STARTS, days=13, captions_only=True) for _ in range(LATER_POSTS)]
        for number, text in enumerate(self.rng.sample(captions, 14)):
            words_now = text.text if number < 8 else noise.slightly_changed(text.text, self.rng)
            posts[number].texts = [replace(text, text=words_now)]
        return sorted(posts, key=lambda post: post.pk)

    def _scene(self, day: date) -> Scene:
        party = self.rng.choice(parties())
        author, candidate = self.rng.choice(list(accounts(party)))
        return Scene(
            party=party,
            candidate=candidate,
            author=author,
            town=self.rng.choice(words("towns")),
            topic=self.rng.choice(party.topics),
            slogan=self.rng.choice(party.slogans),
            day=day,
        )

    def _blank(self, kind: Literal["Post", "Story"], start: datetime, days: int) -> SamplePost:
        published = start + timedelta(days=self.rng.randrange(days), seconds=self.rng.randrange(15 * 3600))
        milliseconds = int(published.timestamp()) * 1000 - EPOCH_MS
        return SamplePost(
            kind, (milliseconds << 23) | self.rng.randrange(1 << 23), published, self._scene(published.date())
        )

    def _post(self, start: datetime, days: int, captions_only: bool) -> SamplePost:
        post = self._blank("Post", start, days)
        self._write(post, "Caption")
        if not captions_only and self.rng.random() < 0.5:
            self._write(post, "OCR")
        if not captions_only and self.rng.random() < 0.17:
            self._write(post, "Transcription")
        return post

    def _story(self) -> SamplePost:
        post = self._blank("Story", CAMPAIGN_STARTS, 43)
        kinds: list[list[TextType]] = [["OCR"], ["Transcription"], ["OCR", "Transcription"]]
        for kind in self.rng.choices(kinds, [78, 9, 13])[0]:
            self._write(post, kind)
        return post

    def _write(self, post: SamplePost, kind: TextType) -> None:
        call = self.rng.random() < CALL_SHARE[post.kind, kind]
        unclear = self.rng.random() < UNCLEAR_SHARE
        ask: Ask = "call" if call else "no_call"
        if unclear:
            ask = "unclear_call" if call else "unclear_no_call"
        compose = {
            "Caption": self.writer.caption,
            "OCR": self.writer.picture,
            "Transcription": self.writer.speech,
        }[kind]
        text = compose(post.scene, ask)
        while text in self.seen:
            text = compose(post.scene, ask)
        self.seen.add(text)
        post.texts.append(SampleText(kind, text, call, "unclear" if unclear else "clear"))

    def _lengthen(self, posts: list[SamplePost]) -> None:
        """Turn some clear captions into long ones."""
        found = [post for post in posts if post.texts[0].kind == "Caption" and post.texts[0].clarity == "clear"]
        calls = self.rng.sample([post for post in found if post.texts[0].call], 14)
        others = self.rng.sample([post for post in found if not post.texts[0].call], 10)
        for post in calls + others:
            ask: Ask = "call" if post.texts[0].call else "no_call"
            post.texts[0] = replace(post.texts[0], text=self.writer.long_caption(post.scene, ask))

    def _decompose(self, posts: list[SamplePost]) -> None:
        for post in self.rng.sample(posts, 24):
            post.texts = [replace(text, text=noise.decomposed(text.text)) for text in post.texts]

    def _one_word_stories(self, number: int) -> list[SamplePost]:
        posts = [self._blank("Story", CAMPAIGN_STARTS, 43) for _ in range(number)]
        for post in posts:
            post.texts = [SampleText("OCR", self.writer.one_word(post.scene), call=False)]
        return posts

    def _unreadable_stories(self, number: int) -> list[SamplePost]:
        posts = [self._blank("Story", CAMPAIGN_STARTS, 43) for _ in range(number)]
        for post in posts:
            text = self.writer.unreadable(post.scene)
            post.texts = [SampleText("OCR", text, call=False, clarity="unreadable")]
        return posts

    def _reposts(self, posts: list[SamplePost], same: int, changed: int) -> list[SamplePost]:
        """Stories and posts that repeat an earlier text, word for word or nearly so."""
        reposts = []
        for number, source in enumerate(self.rng.sample(posts, same + changed)):
            copy = self._blank(source.kind, max(source.published, CAMPAIGN_STARTS), days=3)
            text = source.texts[0]
            words_now = text.text if number < same else noise.slightly_changed(text.text, self.rng)
            copy.scene = source.scene
            copy.texts = [replace(text, text=words_now)]
            reposts.append(copy)
        return reposts
