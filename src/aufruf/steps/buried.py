"""What was forgotten, as it is known at the moment of writing: nothing of it comes back, whoever works meanwhile."""

from collections.abc import Mapping, Sequence

from aufruf.data.forgotten import Tombs
from aufruf.schemas import Annotation, Text
from aufruf.store import Store

MARKED = ("texts", "annotations")  # what ingest adds rows to


class Buried:
    """The tombstones, read anew whenever there are more.

    ``forget`` writes tombstones, then marks the tables, then deletes. ``ingest`` opens a table, then asks here which
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

    def _look(self) -> None:
        if (version := self._store.version("tombstones")) != self._version:
            self._version, self.tombs = version, Tombs(self._store.read("tombstones"))
