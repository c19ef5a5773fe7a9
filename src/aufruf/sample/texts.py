"""Captions, pictures and speech, composed from the sentences of one scene."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from aufruf.sample import noise
from aufruf.sample.wording import Decks, Scene, topics, words

Ask = Literal["call", "no_call", "unclear_call", "unclear_no_call"]

# How often each kind of sentence is drawn. Everything that is not a topic shares its words with calls.
STATEMENTS = {
    "voting": 10, "reported": 7, "negated": 6, "questions": 8, "thanks": 9, "reports": 14, "promises": 11,
}  # fmt: skip
CALLS = {
    "vote": 26, "event": 20, "share": 14, "join": 10, "donate": 6, "petition": 8, "take_part": 9, "rally": 11,
    "stock": 85,
}  # fmt: skip


@dataclass
class Writer:
    """Writes texts for scenes; remembers which sentences were used, so that they come round evenly."""

    rng: Random
    decks: Decks

    def caption(self, scene: Scene, ask: Ask) -> str:
        """A caption of one to six sentences, perhaps with hashtags, a mention, emoji."""
        body = self._body(scene, self.rng.choices([0, 1, 2, 3], [4, 7, 3, 1])[0], ask)
        body = [self._decorated(sentence) for sentence in body]
        text = self.rng.choice([" ", " ", " ", "\n", "\n\n"]).join(body)
        return self._signed(text, scene, ask)

    def long_caption(self, scene: Scene, ask: Ask) -> str:
        """A caption of 200 to 400 words; a call, if any, stands at its very end."""
        keys = [scene.topic, *self.rng.sample(sorted(set(topics()) - {scene.topic}), 3)]
        paragraphs = [self._filled(scene, "statements", "everyday")]
        goal = self.rng.randrange(205, 330)
        while len(" ".join(paragraphs).split()) < goal:
            key = keys[len(paragraphs) % len(keys)]
            picked = [self._filled(scene, "topics", key) for _ in range(self.rng.randrange(2, 4))]
            paragraphs.append(" ".join([*picked, self._statement(scene)]))
        if ask != "no_call":
            paragraphs.append(self._asking(scene, ask))
        return "\n\n".join(paragraphs)

    def picture(self, scene: Scene, ask: Ask) -> str:
        """What character recognition reads off a sharepic or a story."""
        party = scene.party
        lines = [self._filled(scene, "topics", scene.topic)] if self.rng.random() < 0.4 else []
        if self.rng.random() < 0.25:
            lines.append(self._statement(scene))
        if self.rng.random() < 0.5 or not lines:
            lines.insert(0, self._short(scene))
        if ask != "no_call":
            asking = [self._short_asking(scene, ask) for _ in range(self.rng.choices([1, 2], [6, 4])[0])]
            lines = lines[: self.rng.randrange(3)] + asking
        if self.rng.random() < 0.4:
            lines.append(self.rng.choice([scene.slogan, party.name, party.short, scene.candidate.name]))
        if self.rng.random() < 0.3:
            seeds = self._debris_seeds(scene)
            lines.insert(self.rng.randrange(len(lines) + 1), noise.debris(seeds, self.rng))
        return self._photographed(lines)

    def unreadable(self, scene: Scene) -> str:
        """Nothing but debris."""
        seeds = self._debris_seeds(scene)
        return "\n".join(noise.debris(seeds, self.rng) for _ in range(3))

    def speech(self, scene: Scene, ask: Ask) -> str:
        """What speech recognition makes of a video."""
        punctuated = self.rng.random() < 0.35
        parts = self._body(scene, self.rng.randrange(1, 5), ask)
        opening = self._filled(scene, "statements", "spoken_openings")
        closing = self._filled(scene, "statements", "spoken_closings")
        if punctuated:
            return " ".join(parts)
        parts = [opening, *parts] + ([closing] if self.rng.random() < 0.5 else [])
        return " ".join(noise.spoken(part, self.rng) for part in parts)

    def one_word(self, scene: Scene) -> str:
        """A party's name, its letters or its slogan, as a story's only word."""
        party = scene.party
        return self.rng.choice([party.name, party.short, party.short, party.tag, party.slogans[0], scene.town])

    def _body(self, scene: Scene, statements: int, ask: Ask) -> list[str]:
        parts = self._talk(scene, statements)
        if ask == "no_call":
            return parts or [self._statement(scene)]
        calls = self.rng.choices([1, 2, 3], [4, 4, 2])[0] if ask == "call" else 1
        asking = [self._asking(scene, ask) for _ in range(calls)]
        where = self.rng.choices([len(parts), 0, len(parts) // 2], [70, 12, 18])[0]
        return parts[:where] + asking + parts[where:]

    def _talk(self, scene: Scene, statements: int) -> list[str]:
        """A scene from the day, then the post's topic, then a remark, then the slogan; each now and then."""
        parts = [self._filled(scene, "topics", scene.topic) for _ in range(statements)]
        if self.rng.random() < 0.28:
            parts.insert(0, self._filled(scene, "statements", "everyday"))
        if self.rng.random() < 0.4:
            parts.append(self._statement(scene))
        if self.rng.random() < 0.15:
            parts.append(f"{scene.slogan}!" if scene.slogan[-1].isalpha() else scene.slogan)
        return parts

    def _statement(self, scene: Scene) -> str:
        kind = self.rng.choices(list(STATEMENTS), list(STATEMENTS.values()))[0]
        return self._filled(scene, "statements", kind)

    def _asking(self, scene: Scene, ask: Ask) -> str:
        if ask == "call":
            call = self._filled(scene, "calls", self.rng.choices(list(CALLS), list(CALLS.values()))[0])
            return f"👉 {call}" if self.rng.random() < 0.12 else call
        return self._filled(scene, "unclear", ask.removeprefix("unclear_"))

    def _short(self, scene: Scene) -> str:
        return scene.slogan if self.rng.random() < 0.2 else self._filled(scene, "statements", "short")

    def _short_asking(self, scene: Scene, ask: Ask) -> str:
        if ask == "call" and self.rng.random() < 0.6:
            return self._filled(scene, "calls", "short")
        return self._asking(scene, ask)

    def _filled(self, scene: Scene, *key: str) -> str:
        return scene.fill(self.decks.draw(*key), self.rng)

    def _decorated(self, sentence: str) -> str:
        if self.rng.random() > 0.25:
            return sentence
        rare = self.rng.random() < 0.2
        sign = self.decks.draw("campaign", "rare_emoji") if rare else noise.emoji(self.rng)
        return f"{sentence} {sign}" if self.rng.random() < 0.75 else f"{sign} {sentence}"

    def _signed(self, text: str, scene: Scene, ask: Ask) -> str:
        tags = [scene.party.tag, *topics()[scene.topic].tags, *self.rng.sample(words("tags"), 3)]
        if self.rng.random() < (0.35 if ask == "call" else 0.06):
            tags += self.rng.sample(words("call_tags"), 2)
        tags = list(dict.fromkeys(tags))
        parts = [text]
        if self.rng.random() < 0.12:
            parts.append(f"📸 @{self.rng.choice(scene.party.candidates).handle}")
        if self.rng.random() < 0.1:
            parts.append(f"https://{scene.party.site}/{self.rng.choice(['programm', 'aktuell', 'blog', 'termine'])}")
        if self.rng.random() < 0.6:
            parts.append(" ".join(self.rng.sample(tags, self.rng.randrange(1, 7))))
        return self.rng.choice([" ", "\n\n", "\n.\n"]).join(parts)

    def _photographed(self, lines: list[str]) -> str:
        if self.rng.random() < 0.35:
            lines = [line.upper() for line in lines]
        text = self.rng.choice(["\n", "\n", " "]).join(lines)
        strength = self.rng.choices([0.0, 0.03, 0.1], [5, 4, 2])[0]
        return noise.recognized(text, self.rng, strength) if strength else text

    def _debris_seeds(self, scene: Scene) -> list[str]:
        return [scene.party.name, scene.party.short * 2, scene.candidate.name, scene.town, scene.slogan]
