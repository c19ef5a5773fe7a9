"""What was forgotten, as it is known at the moment of writing: nothing of it comes back, whoever works meanwhile."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd

from aufruf.data.forgotten import Tombs
from aufruf.schemas import Annotation, QuarantinedRow, Text
from aufruf.settings import Settings
from aufruf.store import Store

# where a step at work may write what rests on a text
MARKED = ("texts", "annotations", "labels", "predictions", "explanations", "quarantine", "signatures")
_TRIES = 3  # of a step whose draft goes though nobody new was forgotten: one is between tombstones and last look
P = ParamSpec("P")
Result = TypeVar("Result")


class Buried:
    """The tombstones, read anew whenever there are more.

    ``forget`` writes tombstones, then marks the tables, then deletes. A writer opens a table, then asks here which
    rows to write, then writes. Where it asked before the tombstones, it has either written before the mark, and the
    deletion finds the rows, or the mark stops it and it asks again. There is no moment at which a process that is
    killed would leave a row behind, and it is the order of a table's versions that counts: it is the same for all
    machines.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._version = store, store.version("tombstones")
        self.tombs = Tombs(store.read("tombstones"))

    def spared_texts(self, texts: Sequence[Text]) -> list[Text]:
        """Those of the texts that nobody has forgotten by now."""
        self._look()
        return [text for text in texts if not self.tombs.hold(text)]

    def spared_votes(self, votes: Sequence[Annotation], texts: Mapping[str, Text]) -> list[Annotation]:
        """Those of the votes whose text, one of ``texts``, nobody has forgotten by now."""
        self._look()
        gone = {text_id for text_id, text in texts.items() if self.tombs.hold(text)}
        return [vote for vote in votes if vote.text_id not in gone and not self.tombs.hold_id(vote.text_id)]

    def spared(self, rows: Any) -> Any:
        """Those of the rows - nouns, or a frame with text_id - whose text nobody has forgotten by now."""
        self._look()
        if isinstance(rows, pd.DataFrame):
            gone = [self.tombs.hold_id(text_id) for text_id in rows["text_id"]]
            return rows[~pd.Series(gone, index=rows.index, dtype=bool)]
        return [row for row in rows if not self.tombs.hold_id(row.text_id)]

    def spared_refused(self, rows: Sequence[QuarantinedRow]) -> list[QuarantinedRow]:
        """Those of the rows that a model could not score whose text nobody has forgotten by now."""
        self._look()
        return [row for row in rows if not self.tombs.hold_id(json.loads(row.row)["text_id"])]

    def _look(self) -> None:
        if (version := self._store.version("tombstones")) != self._version:
            self._version, self.tombs = version, Tombs(self._store.read("tombstones"))


def anew(step: Callable[Concatenate[Settings, P], Result]) -> Callable[Concatenate[Settings, P], Result]:
    """A step that writes files which show texts, done again where somebody was forgotten meanwhile.

    ``forget`` closes its tombstones, then looks through the reports once more. What such a step wrote before, that look
    finds; what it writes after, it writes again. So does one whose draft ``forget`` has taken for what somebody left.
    """

    @wraps(step)
    def done(settings: Settings, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        store = Store(settings.lake)
        tries = 0
        while True:
            before = store.version("tombstones")
            try:
                result = step(settings, *args, **kwargs)
            except FileNotFoundError as error:
                tries += 1
                draft = Path(str(error.filename)).name.startswith(".")
                if not draft or (tries >= _TRIES and store.version("tombstones") == before):
                    raise
                continue
            if store.version("tombstones") == before:
                return result

    return done
