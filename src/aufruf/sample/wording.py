"""The campaign's words: parties, topics and sentences, and how a sentence's {slots} are filled."""

import tomllib
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib import resources
from random import Random
from typing import Any

ELECTION = date(2025, 9, 28)


@dataclass(frozen=True)
class Candidate:
    name: str
    handle: str


@dataclass(frozen=True)
class Party:
    name: str
    short: str
    nominative: str
    accusative: str
    dative: str
    handle: str
    site: str
    tag: str
    slogans: tuple[str, ...]
    topics: tuple[str, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Topic:
    name: str
    issue: str
    issue_nominative: str
    tags: tuple[str, ...]
    sentences: tuple[str, ...]


@cache
def _table(name: str) -> dict[str, Any]:
    source = resources.files("aufruf.sample") / f"{name}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def words(name: str) -> list[str]:
    """One word list of campaign.toml."""
    return list(_table("campaign")[name])


@cache
def parties() -> list[Party]:
    """The five invented parties."""
    return [_party(entry) for entry in _table("campaign")["parties"]]


def _party(entry: dict[str, Any]) -> Party:
    people = tuple(Candidate(**person) for person in entry["candidates"])
    lists = {name: tuple(entry[name]) for name in ("slogans", "topics")}
    return Party(**{**entry, **lists, "candidates": people})


@cache
def topics() -> dict[str, Topic]:
    """What the campaign talks about, by key."""
    found = {}
    for key, entry in _table("topics").items():
        lists = {name: tuple(entry[name]) for name in ("tags", "sentences")}
        found[key] = Topic(name=entry["tags"][0].removeprefix("#"), **{**entry, **lists})
    return found


@dataclass
class Decks:
    """Shuffled piles of patterns: each is used once before any is used again."""

    rng: Random
    piles: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def draw(self, *key: str) -> str:
        """The next pattern of ("topics", topic), (table, kind) or ("campaign", list)."""
        pile = self.piles.setdefault(key, [])
        if not pile:
            pile.extend(_patterns(*key))
            self.rng.shuffle(pile)
        return pile.pop()


def _patterns(table: str, kind: str) -> list[str]:
    found = _table(table)[kind]
    return list(found["sentences"]) if table == "topics" else list(found)


@dataclass(frozen=True)
class Scene:
    """Who speaks, when, where, and about what: everything that one post's texts share."""

    party: Party
    candidate: Candidate
    author: str
    town: str
    topic: str
    slogan: str
    day: date

    def fill(self, pattern: str, rng: Random) -> str:
        """The pattern with its {slots} filled, with a capital letter where a slot comes first."""
        text = pattern.format_map(self._slots(rng)) if "{" in pattern else pattern
        return text[:1].upper() + text[1:] if pattern.startswith("{") else text

    def _slots(self, rng: Random) -> dict[str, str]:
        party, topic = self.party, topics()[self.topic]
        soon = min(self.day + timedelta(days=rng.randrange(2, 15)), ELECTION - timedelta(days=1))
        return {
            "party": party.name,
            "short": party.short,
            "nom": party.nominative,
            "acc": party.accusative,
            "dat": party.dative,
            "site": party.site,
            "slogan": self.slogan,
            "cand": self.candidate.name,
            "first": self.candidate.name.split()[0],
            "handle": "@" + rng.choice([party.handle, self.candidate.handle]),
            "town": self.town,
            "topic": topic.name,
            "issue": topic.issue,
            "issue_nom": topic.issue_nominative,
            "date": f"{soon.day}. {'August' if soon.month == 8 else 'September'}",
            "left": str((ELECTION - self.day).days),
            "at": rng.choice(words("places")),
            "day": rng.choice(words("days")),
            "time": rng.choice(words("times")),
            "n": rng.choice(words("numbers")),
            "few": rng.choice(words("few")),
            "pct": rng.choice(words("percents")),
        }
