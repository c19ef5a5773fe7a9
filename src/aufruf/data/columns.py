"""The columns that a file must have: what the checks are given to look at, and what is said when one is not there."""

from collections.abc import Sequence

from aufruf.data.checks import Shape
from aufruf.data.readers import TABLE, Content, Format, listed
from aufruf.errors import DataRefused


def at_first(number: int, content: Content, format: Format) -> list[Shape]:  # noqa: A002 - what it is called
    """What a header, or the first hundred objects, must have; rows of the quarantine have been seen before."""
    if content.shape == "kept":
        return []
    needed = format.needs if content.objects else format.needed(content)
    return [Shape(number, _plain(content.columns), _plain(needed))]


def throughout(number: int, content: Content, format: Format) -> list[Shape]:  # noqa: A002 - what it is called
    """What each hundred objects of a file that was read to its end must have, and what all of them together."""
    parts = content.parts
    if parts is None or not parts.whole:
        return []
    steady, questions = _plain(format.needs - format.optional), format.needed(content) - format.needs
    shapes = [
        Shape(number, _plain(parts.columns - lacking), steady, seen.times, f"records {seen.first} to {seen.last}")
        for lacking, seen in parts.lacking.items()
    ]
    together = Shape(number, _plain(parts.columns - parts.absent), _plain(questions))
    return [*shapes, together] if questions else shapes


def refusal(content: Content, format: Format, shape: Shape, missing: Sequence[str]) -> DataRefused:  # noqa: A002
    """Why a file with this shape is not taken: the columns that are not there, and what to do."""
    named = ", ".join(repr(name[:40]) for name in missing)
    if shape.place:
        return DataRefused(
            f"{shape.place} have no {named}, which others of the file have",
            next="Was it put together from several exports? Give each of them as a file of its own.",
        )
    if content.questions.issuperset(missing):
        return DataRefused(
            f"no column is called after a question: {named}; its columns: {listed(content.columns)}",
            next="Set question in the classifier file to the name of the column, exactly.",
        )
    if format.name == TABLE:
        return DataRefused(f"no column {named} here", next=f"Its columns: {listed(content.columns)}.")
    return DataRefused(
        f"this is not a file of the format {format.name}: {named} not there",
        next="Leave --format out, or name the columns with --columns ROLE=COLUMN,...",
    )


def _plain(names: Sequence[str] | frozenset[str]) -> frozenset[str]:
    """Names of columns without half characters, which no table can be made with."""
    return frozenset(name.encode("utf-8", "replace").decode("utf-8") for name in names)
