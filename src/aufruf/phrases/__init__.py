"""A step's object as sentences for a person."""

import json
from collections.abc import Callable
from typing import Any

from aufruf.phrases import explained, installation, watching
from aufruf.reports.chart import BIASED
from aufruf.reports.inert import counted

_ASIDES = {
    "ignored": "files in it are no tables",
    "replaced": "texts replace another wording",
    "recast": "votes replace another one of the same annotator",
    "withdrawn": "votes were taken back, and are abstentions now",
    "outdated": "votes say otherwise than later or dated ones of the same annotator, and are left out",
    "forgotten": "texts were forgotten on request and are not taken in again",
}
_EMPTY = "nothing is in quarantine; of a file that is refused whole no row is kept, and `aufruf ingest` says why"
_MANY = 30  # files that are told of one by one


def told(command: str, result: dict[str, Any], *, colour: bool = False, failed: bool = False) -> list[str]:
    """Lines that say what a command did; ``colour``: for a terminal that shows colours.

    Nothing of what files say - names of people, parties, columns - steers the terminal. ``failed``: a failure has been
    told before, whose findings are not told twice.
    """
    if command == "explain" and "words" in result:
        return explained.told(result, colour)
    if command == "monitor":
        lines = watching.monitor(result, failed)
    else:
        teller = _TELLERS.get(command)
        lines = teller(result) if teller else [f"{key}: {value}" for key, value in result.items()]
    return [explained.harmless(line) for line in lines]


def _ingest(result: dict[str, Any]) -> list[str]:
    files = result["files"]
    shown = files if len(files) <= _MANY else [one for one in files if one["status"] == "refused"][:_MANY]
    lines = [line for one in shown for line in (_file(one), *(f"  {why}" for why in one.get("why", ())))]
    if len(files) > _MANY:
        lines += _summed(files)
    if "parties" in result:
        lines.append(f"{result['parties']} more texts have got a party by the table of authors")
    return lines or ["nothing to ingest: the inbox is empty"]


def _summed(files: list[dict[str, Any]]) -> list[str]:
    """One line for all files of a format that ended alike."""
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in files:
        alike.setdefault((one["format"], one["status"]), []).append(one)
    return [
        f"{counted(len(some), 'file')}: {name}, {counted(sum(one['rows'] for one in some), 'row')}, "
        f"{sum(one['kept'] for one in some)} kept, "
        f"{sum(one['refused'] for one in some)} refused ({status})"
        for (name, status), some in alike.items()
    ]


def _file(one: dict[str, Any]) -> str:
    return (
        f"{one['file']}: {one['format']}, {counted(one['rows'], 'row')}, {one['kept']} kept, {one['refused']} refused "
        f"({one['status']})"
        + "".join(f"; {one[key]} {words}" for key, words in _ASIDES.items() if one.get(key))
        + (f"; counts for: {', '.join(one['counts_for'])}" if one.get("counts_for") else "")
    )


def _quarantine(result: dict[str, Any]) -> list[str]:
    if "rescued" in result:
        return [f"{counted(result['rescued'], 'row')} taken in, {result['rows']} still in quarantine"]
    if "path" in result:
        return [
            f"{result['path']}: {counted(result['rows'], 'row')}, to be mended and given to "
            "`aufruf quarantine ingest --mended`"
        ]
    if "files" not in result:
        return [_row(one) for one in result["rows"]] or [_EMPTY]
    lines = [
        line
        for one in result["files"]
        for line in (
            f"{one['file']}  {one['name']} ({one['format']}): {counted(one['rows'], 'row')}",
            *(f"  {why}" for why in one["why"]),
        )
    ]
    return lines or [_EMPTY]


def _row(one: dict[str, Any]) -> str:
    told = f"{one['reasons']}\n  {json.dumps(one['row'], ensure_ascii=False)}"
    return f"{one['file'][:12]} {one['item']}: {told}"


def _label(result: dict[str, Any]) -> list[str]:
    alpha = "not measurable" if result["alpha"] is None else f"{result['alpha']:.3f}"
    return [
        f"{counted(result['labels'], 'label')}, {counted(result['ties'], 'tie')}, "
        f"{result['too_few_votes']} with too few votes, "
        f"{result.get('contradictions', 0)} contradicted, {result.get('edited', 0)} edited since; "
        f"Krippendorff's alpha {alpha}{_unchanged(result)}",
        *([f"not counted, as votes.exclude asks: {', '.join(result['excluded'])}"] if result.get("excluded") else []),
        *(
            f"{one} and {other} "
            + (
                f"said the same at the same moment on {votes} texts"
                if votes
                else "have one name but for case or blanks"
            )
            + ": one person, exported in two ways? Then name both in votes.same_person, or these votes count twice"
            for one, other, votes in result.get("doubles", ())
        ),
        *([f"agreement: {result['page']}"] if "page" in result else []),
        *([f"{counted(result['queued'], 'task')} written to {result['queue']}"] if "queue" in result else []),
    ]


def _split(result: dict[str, Any]) -> list[str]:
    if "as_of" in result:
        return [
            f"{counted(result['texts'], 'text')} of run {result['as_of']} "
            f"written to {result['out']}; {result['verified']}"
        ]
    sizes = ", ".join(f"{result[name]} {name}" for name in ("train", "validation", "test"))
    return [
        f"{sizes} in {counted(result['groups'], 'group')}; "
        f"{result['added']} added, {result.get('set_aside', 0)} set aside",
        *([f"audit: {result['page']}"] if "page" in result else []),
        *(
            f"fold {one['fold']}: {counted(one['texts'], 'text')}, {one['positives']} positive"
            for one in result.get("folds", ())
        ),
        *(
            [f"{result['chosen']} of their texts were chosen by `aufruf queue`: figures over folds are not of posts"]
            if result.get("chosen")
            else []
        ),
        *([f"folds: {result['out']}"] if "out" in result else []),
    ]


def _sweep(result: dict[str, Any]) -> list[str]:
    best = ", ".join(f"{key} {value:g}" for key, value in result["best"].items())
    return [
        f"{counted(result['trials'], 'trial')} ({result['pruned']} pruned), best {result['best_value']:.3f}: "
        f"{best}{_unchanged(result)}"
    ]


def _train(result: dict[str, Any]) -> list[str]:
    return [f"version {result['model_version']}, run {result['run_id']}{_unchanged(result)}"]


def _evaluate(result: dict[str, Any]) -> list[str]:
    lines = [f"version {result['model_version']} on {result['n']} {result['split']} texts{_unchanged(result)}"]
    for name, one in result["metrics"].items():
        if name == "recall" and result.get("positives") == 0:
            lines.append(f"  {name:18} -  (no test text is positive)")
            continue
        floor = result["baseline"][name]["value"]
        sure = f"[{one['low']:.3f}, {one['high']:.3f}]" if name != BIASED else "(chance adds)"
        lines.append(f"  {name:18} {one['value']:.3f}  {sure:14}  baseline {floor:.3f}")
    if asked := sum(one["of"] for one in result.get("behaviour", {}).values()):
        lines.append(f"behaviour: {sum(one['passed'] for one in result['behaviour'].values())} of {asked} tests passed")
    return [
        *lines,
        *([f"page: {result['page']}"] if "page" in result else []),
        *([f"{counted(result['queued'], 'task')} written to {result['queue']}"] if "queue" in result else []),
    ]


def _promote(result: dict[str, Any]) -> list[str]:
    verdict = result["verdict"]
    if verdict == "kept" and result["champion"] is None:  # there is none to be kept
        verdict = "not promoted"
    return [f"{verdict}: {'; '.join(result['reasons'])}{_unchanged(result)}"]


def _rollback(result: dict[str, Any]) -> list[str]:
    replaced = f", and version {result['replaced']} is previous" if result["replaced"] else ""
    return [f"version {result['champion']} is champion again{replaced}"]


def _score(result: dict[str, Any]) -> list[str]:
    return [
        *_instead(result),
        f"version {result['model_version']}: {result['scored']} scored, {result['already_scored']} before, "
        f"{result['refused']} refused{_unchanged(result)}",
        *([f"{left} left as they are: older than {result['since']}"] if (left := result.get("outside_window")) else []),
        *([result["next"]] if "next" in result else []),
    ]


def _instead(result: dict[str, Any]) -> list[str]:
    """Why another version speaks than the champion, where it does."""
    refused = result.get("champion_refused")
    return [f"REFUSED: version {refused['version']}, the champion: {refused['why']}"] if refused else []


def _why(result: dict[str, Any]) -> list[str]:
    lines = [
        *_instead(result),
        f"{result['text_id']}: {result['why']}" + (f". {result['next']}" if result["next"] else ""),
    ]
    for one in result.get("predictions", ()):
        odds = explained.odds(one["probabilities"], result["positive"], one["threshold"])
        lines.append(
            f"  version {one['model_version']}, {one['scored_at']}: {one['label']} ({odds})"
            + ("" if one["confident"] else ", close to the threshold")
            + ("" if one["as_it_reads_now"] else ", of another wording")
        )
    return lines + [f"  {row['file'][:12]} {row['item']}" for row in result.get("rows", ())]


def _export(result: dict[str, Any]) -> list[str]:
    masked = "persons masked" if result["masked"] else "NOT masked"
    rows = f"{counted(result['rows'], 'prediction')} of version {result['model_version']}"
    written = f"{rows} written to {result['out']}; {masked}"
    counts = ((result["unscored"], "it has yet to score"), (result["outside_window"], "it leaves to other versions"))
    missing = " and ".join(f"{count} texts that {why}" for count, why in counts if count)
    return [
        *_instead(result),
        written,
        *([f"not all of them: without {missing}"] if missing else []),
        *(
            [f"without a time of posting, so that the timestamp is empty: {counted(result['undated'], 'row')}"]
            if result.get("undated")
            else []
        ),
    ]


def _explain(result: dict[str, Any]) -> list[str]:
    if "perturbations" in result:
        return [
            f"version {result['model_version']}: {result['texts']} texts, at most {result['perturbations']:,} "
            f"perturbations, and {result['beside']:,} texts for faithfulness and the page on words; "
            f"at the {result['rate']:g} a second just measured at most {result['at_most_seconds']:,g} s"
        ]
    doubtful = f", {result['unreliable']} of them not reliable" if result.get("unreliable") else ""
    done = f"{result['explained']} explained in {result['seconds']} s{doubtful}"
    pages = [f"words: {result['page']}"] if "page" in result else []
    why = f" - {result['why']}" if "why" in result else _unchanged(result)
    return [f"version {result['model_version']}: {done}{why}", *pages]


def _night(result: dict[str, Any]) -> list[str]:
    lines = []
    for step, one in result.items():
        said = [one["why"]] if "why" in one else told(step, one)
        lines += [f"{step:9} {said[0]}", *(f"{'':9} {line}" for line in said[1:])]
    return lines


def _report(result: dict[str, Any]) -> list[str]:
    left = result.get("unscored", 0)
    return [
        result["path"],
        *([f"{result['why']}{_unchanged(result)}"] if "why" in result else []),
        *([f"not yet scored by this version: {counted(left, 'text')}"] if left else []),
    ]


def _unchanged(result: dict[str, Any]) -> str:
    return " - nothing new" if result.get("status") in {"unchanged", "nothing to do"} else ""


_TELLERS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "ingest": _ingest,
    "why": _why,
    "export": _export,
    "queue": watching.queue,
    "quarantine": _quarantine,
    "label": _label,
    "split": _split,
    "sweep": _sweep,
    "train": _train,
    "evaluate": _evaluate,
    "promote": _promote,
    "rollback": _rollback,
    "score": _score,
    "explain": _explain,
    "status": installation.status,
    "night": _night,
    "report": _report,
    "forget": installation.forget,
    "demo": lambda result: list(result["summary"]),
    "backup": installation.backup,
    "restore": installation.restore,
    "prune": installation.prune,
    "up": installation.up,
    "down": installation.down,
    "sample": lambda result: list(result["files"]),
}
