"""What a file must be like before anything of it is stored: Great Expectations suites for each kind.

One suite looks at the columns of a file, or of its parts; one at rows, and names those to refuse; one at the votes
of a file together; one at each file as a whole, and decides whether it is taken. Their bounds stand in the classifier
file. Results keep counts, never values.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from aufruf.classifier import Checks, Classifier
from aufruf.data.expectations import Found, run
from aufruf.data.readers.fields import shown
from aufruf.data.readers.item import row_of
from aufruf.data.rows import Questions, answer
from aufruf.data.verdict import UNLISTED, Verdict
from aufruf.question import CHOICES
from aufruf.schemas import DECIDED_ELSEWHERE

_CLOCKS_APART = timedelta(days=1)  # how far ahead of ours another machine's clock may be
_UNSTORABLE = r"\x00"  # NUL; it also stands where the file has half a character
_WORDS = ("text", "text_id", "post_id", "author", "party", "platform", "annotator", "question", "label")
_KINDS = ("text_type", "post_type", "digest")  # words of our own, which a reader has no say in
_DATES = ("posted_at", "collected_at", "annotated_at")
_REPEAT = "this annotator votes on this text more than once"
_UNSIGNED = (
    "no annotator is named, and this text has a label in several rows (of different ones none counts); "
    "are they people's votes? Ingest the file again with annotator=COLUMN in --columns"
)


@dataclass(frozen=True)
class _Rule:
    """An expectation, and the sentence for a row that fails it."""

    expectation: Any
    reason: Callable[[Any], str]  # of a row of the table
    harmless: bool = False
    empty: bool = False


@dataclass(frozen=True)
class Shape:
    """The columns that a file, or a part of it, has, and those that it must have."""

    file: int
    columns: frozenset[str]
    needed: frozenset[str]
    parts: int = 1  # how many parts of the file look like this
    place: str = ""  # the first of them, in words; "" for the whole file


def loosest(classifiers: Sequence[Classifier]) -> Checks:
    """Bounds that refuse only what every one of these classifiers refuses: a file is stored once for all."""
    all_ = [one.checks for one in classifiers] or [Checks()]
    return Checks(
        shortest=min(one.shortest for one in all_),
        longest=max(one.longest for one in all_),
        earliest=min(one.earliest for one in all_),
        most_refused=max(one.most_refused for one in all_),
        most_empty=max(one.most_empty for one in all_),
        most_repeated=max(one.most_repeated for one in all_),
        label_shift=max(one.label_shift for one in all_),
        enough=max(one.enough for one in all_),
    )


def check_columns(shapes: Sequence[Shape], verdicts: Mapping[int, Verdict]) -> list[tuple[Shape, list[str]]]:
    """Judge the columns of files; gives the shapes that lack any, each with what is not there."""
    from great_expectations import expectations as gxe

    alike: dict[tuple[frozenset[str], frozenset[str]], list[Shape]] = defaultdict(list)
    for shape in shapes:
        alike[(shape.columns, shape.needed)].append(shape)
    lacking = []
    for (columns, needed), same in alike.items():
        suite = [gxe.ExpectColumnToExist(column=name) for name in sorted(needed)]
        found = run(suite, pd.DataFrame(columns=sorted(columns))) if suite else []
        missing = sorted(one.column for one in found if not one.holds)
        for shape in same:
            for one in found:
                verdicts[shape.file].count(one.expectation, one.column, shape.parts, 0 if one.holds else shape.parts)
        lacking += [(shape, missing) for shape in same if missing]
    return lacking


def check_rows(
    table: pd.DataFrame, kind: str, questions: Questions, bounds: Checks, now: datetime, verdicts: Mapping[int, Verdict]
) -> None:
    """Judge rows of files of one ``kind``; ``table`` as ``rows.frame`` makes it, ``verdicts`` by number of file."""
    if table.empty:
        return
    named = [name for name in _WORDS if table[name].notna().any()]
    rules = [*_text_rules(table, kind, bounds), *map(_storable, named), *_type_rules(table)]
    dated = [name for name in _DATES if isinstance(table[name].dtype, pd.DatetimeTZDtype)]
    rules += [_in_time(name, bounds, now) for name in dated if table[name].notna().any()]
    if kind == "annotations":
        rules += _label_rules(table, questions)
    _apply(rules, table, verdicts)


def check_votes(votes: pd.DataFrame, verdicts: Mapping[int, Verdict]) -> None:
    """Judge all votes of each file that passed alone: file, item, question, text_id, given, annotator, label, ...

    Under an id that we made (not ``given``) other words are another text, as they are where it is stored.
    """
    from great_expectations import expectations as gxe

    if votes.empty:
        return
    worded = votes["text_id"] + "\0" + votes["digest"]
    votes = _with_texts_of_id(votes.assign(text_id=votes["text_id"].where(votes["given"].astype(bool), worded)))
    key = ["file", "question", "text_id", "annotator"]
    one_vote = _Rule(gxe.ExpectCompoundColumnsToBeUnique(column_list=key), lambda row: _REPEAT)
    _apply([_one_text(), one_vote], votes, verdicts)
    _keep_one_of_repeats(votes, verdicts)


def check_ids(texts: pd.DataFrame, verdicts: Mapping[int, Verdict]) -> None:
    """Judge the ids that files of posts give to texts that passed alone: file, item, text_id, digest."""
    if not texts.empty:
        _apply([_one_text()], _with_texts_of_id(texts), verdicts)


def _with_texts_of_id(table: pd.DataFrame) -> pd.DataFrame:
    same_id = table.groupby(["file", "text_id"])["digest"]
    return table.assign(texts_of_id=same_id.transform("nunique").astype("int64"))


def _one_text() -> _Rule:
    from great_expectations import expectations as gxe

    return _Rule(
        gxe.ExpectColumnValuesToBeBetween(column="texts_of_id", max_value=1),
        lambda row: f"the file has {row['texts_of_id']} different texts under this text's id",
    )


def check_files(files: pd.DataFrame, bounds: Checks, verdicts: Mapping[int, Verdict]) -> dict[int, list[str]]:
    """Why whole files are refused, by number of file; a file that is taken is not there.

    ``files``: one row a file: file, item (0), unusable (1 when no row is good, though some should be), broken,
    empty, repeated (shares), and for each classifier a column ``shift NAME``; None where there is too little to tell.
    """
    from great_expectations import expectations as gxe

    most = {"broken": bounds.most_refused, "empty": bounds.most_empty, "repeated": bounds.most_repeated}
    rules = [_Rule(gxe.ExpectColumnValuesToBeInSet(column="unusable", value_set=[0]), lambda row: "unusable")]
    rules += [_at_most(column, bound) for column, bound in most.items()]
    rules += [_at_most(str(column), bounds.label_shift) for column in files.columns if str(column).startswith("shift ")]
    whole = {number: Verdict() for number in verdicts}
    _apply([rule for rule in rules if files[rule.expectation.column].notna().any()], files, whole)
    for number, verdict in whole.items():
        verdicts[number].counts.update(verdict.counts)
    return {number: verdict.reasons[0] for number, verdict in whole.items() if verdict.reasons}


def check_numbers(share: float, verdict: Verdict) -> bool:
    """False when row numbers serve as ids and most of those that are stored stand for other texts."""
    table = pd.DataFrame([{"file": 0, "item": 0, "renumbered": share}])
    (found,) = run([_at_most("renumbered", 0.5).expectation], table)
    verdict.count(found.expectation, found.column, 1, len(found.unexpected))
    return found.holds


def _at_most(column: str, bound: float) -> _Rule:
    from great_expectations import expectations as gxe

    return _Rule(gxe.ExpectColumnValuesToBeBetween(column=column, max_value=bound), lambda row: column)


def _text_rules(table: pd.DataFrame, kind: str, bounds: Checks) -> list[_Rule]:
    from great_expectations import expectations as gxe

    posts = kind == "posts"
    none = "the post has no text" if posts else "the text is empty"
    rules = [
        _Rule(gxe.ExpectColumnValuesToNotBeNull(column="text"), lambda row: none, harmless=posts, empty=True),
        _Rule(
            gxe.ExpectColumnValuesToBeBetween(column="length", min_value=bounds.shortest, max_value=bounds.longest),
            lambda row: f"the text has {row['length']} characters, {_beyond(row['length'], bounds)}",
        ),
    ]
    if table["text"].notna().any():
        seen = gxe.ExpectColumnValuesToMatchRegex(column="text", regex=r"\S")
        rules.append(_Rule(seen, lambda row: none, harmless=posts, empty=True))
    return rules


def _beyond(length: int, bounds: Checks) -> str:
    return f"more than {bounds.longest}" if length > bounds.longest else f"fewer than {bounds.shortest}"


def _storable(column: str) -> _Rule:
    from great_expectations import expectations as gxe

    return _Rule(
        gxe.ExpectColumnValuesToNotMatchRegex(column=column, regex=_UNSTORABLE),
        lambda row: f"the {column} holds a NUL or half a character (a lone surrogate)",
    )


def _type_rules(table: pd.DataFrame) -> list[_Rule]:
    """A number or an object where words belong, or a time without its zone, is a fault of ours and goes no further."""
    from great_expectations import expectations as gxe

    types = dict.fromkeys((*_WORDS, *_KINDS), ("str", "text"))
    types |= dict.fromkeys(_DATES, ("Timestamp", "a time in UTC")) | {"seconds": ("float", "a number")}
    return [
        _Rule(gxe.ExpectColumnValuesToBeOfType(column=name, type_=type_), partial(_mistyped, f"{name} is not {words}"))
        for name, (type_, words) in types.items()
        if table[name].notna().any()
    ]


def _mistyped(what: str, row: Any) -> str:
    return f"the {what}"


def _in_time(column: str, bounds: Checks, now: datetime) -> _Rule:
    from great_expectations import expectations as gxe

    first = pd.Timestamp(datetime.combine(bounds.earliest, datetime.min.time(), UTC))
    last = pd.Timestamp(now + _CLOCKS_APART)
    return _Rule(
        gxe.ExpectColumnValuesToBeBetween(column=column, min_value=first, max_value=last),
        lambda row: (
            f"{column} {row[column]:%Y-%m-%d} lies "
            + ("in the future" if row[column] > last else f"before {bounds.earliest}")
        ),
    )


def _label_rules(table: pd.DataFrame, questions: Questions) -> list[_Rule]:
    from great_expectations import expectations as gxe

    rules = [_Rule(gxe.ExpectColumnValuesToNotBeNull(column="label"), lambda row: "the label is missing")]
    for place, group in enumerate(questions):
        spellings = [word for one in group for words in one.spellings.values() for word in words]
        read = [word for word in table[answer(place)].dropna().unique() if any(one.label_of(word) for one in group)]
        listed = gxe.ExpectColumnValuesToBeInSet(column=answer(place), value_set=[*spellings, *read])
        rules.append(_Rule(listed, partial(_unlisted, group)))
    return rules


def _unlisted(group: Sequence[Classifier], row: Any) -> str:
    choices, where = row["label"].split(CHOICES), " or ".join(f"{one.name}.toml" for one in group)
    strange = [word for word in choices if not any(one.label_of(word) for one in group)]
    if not strange:
        return f"the answer holds {len(choices)} choices that exclude each other"
    return f"label {shown(strange[0])} {UNLISTED} of {where}"


def _apply(rules: Sequence[_Rule], table: pd.DataFrame, verdicts: Mapping[int, Verdict]) -> None:
    """Run the rules over the table and write what they find into the verdicts of the files."""
    place = {key: at for at, key in enumerate(zip(table["file"], table["item"], strict=True))}
    sizes = table["file"].value_counts()
    without_text = set()
    for found in run([rule.expectation for rule in rules], table):
        rule = rules[found.number]
        rows = table.iloc[[place[one] for one in found.unexpected]].to_dict("records")  # at once: one by one is slow
        for (file, item), row in zip(found.unexpected, rows, strict=True):
            verdicts[file].refuse(item, rule.reason(row), harmless=rule.harmless)
            if rule.empty:
                without_text.add((file, item))
        _count(found, sizes, verdicts)
    for file, _ in without_text:
        verdicts[file].empty += 1


def _count(found: Found, sizes: "pd.Series[int]", verdicts: Mapping[int, Verdict]) -> None:
    failed = pd.Series([file for file, _ in found.unexpected]).value_counts()
    for file, rows in sizes.items():
        verdicts[int(str(file))].count(found.expectation, found.column, int(rows), int(failed.get(file, 0)))


def _keep_one_of_repeats(votes: pd.DataFrame, verdicts: Mapping[int, Verdict]) -> None:
    """Of one annotator's votes on one text the later counts; undated ones that differ count not at all."""
    repeats = [_REPEAT in verdicts[f].reasons.get(i, ()) for f, i in zip(votes["file"], votes["item"], strict=True)]
    for _, same in votes[repeats].groupby(["file", "question", "text_id", "annotator"], sort=False):
        reasons = verdicts[int(same["file"].iloc[0])].reasons
        dates, items = same["annotated_at"], same["item"].tolist()
        dated = dates.notna().all() and (dates == dates.max()).sum() == 1
        torn = not dated and same["label"].nunique() > 1
        stays = items[dates.argmax() if dated else -1]
        counts = f"; item {row_of(stays)} counts" if reasons[stays] == [_REPEAT] else ""  # "": its text is refused
        why = f", with different labels (items {', '.join(map(str, map(row_of, items[:5])))})" if torn else counts
        told = f"{_REPEAT}{why}" if same["annotator"].iloc[0] != DECIDED_ELSEWHERE else _UNSIGNED
        for item in items:
            reasons[item] = [told if reason == _REPEAT else reason for reason in reasons[item]]
            if item == stays and not torn:
                reasons[item] = [reason for reason in reasons[item] if reason != told]
        if not reasons[stays]:
            del reasons[stays]
