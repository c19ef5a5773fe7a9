"""What the commands about the installation as a whole tell a person."""

from typing import Any

from aufruf.reports.inert import counted

_NOBODY = "nothing to do: nothing of this account is here; check the spelling if something should be"


def status(result: dict[str, Any]) -> list[str]:
    """What is where, whether the two web UIs answer, and what is next; of several classifiers one after the other."""
    if "classifiers" in result:
        return [line for name, one in result["classifiers"].items() for line in (f"{name}:", *status(one), "")][:-1]
    splits = ", ".join(f"{count} {name}" for name, count in result["splits"].items())
    return [
        f"stack     {_stack(result['stack'])}",
        f"home      {result['home']}",
        f"inbox     {counted(result['inbox'], 'file')}",
        f"texts     {result['texts']:,} ({counted(result['quarantined'], 'row')} in quarantine)",
        f"labels    {result['labels']:,} of {counted(result['votes'], 'vote')}, "
        f"{counted(result['undecided'], 'text')} undecided",
        f"splits    {splits}",
        f"champion  {_version(result['champion'])}",
        f"challenger {_version(result['challenger'])}",
        f"scored    {counted(result['scored'], 'text')}, {counted(result['calls'], 'call')}",
        f"report    {result['report'] or 'none yet'}",
        f"next      {result['next']}",
    ]


def _stack(found: dict[str, Any]) -> str:
    urls = ", ".join(f"{name} {url}" for name, url in found["urls"].items())
    if found["status"] == "up":
        return f"up: {urls} (`aufruf up` prints user and password again)"
    if found["status"] == "elsewhere":
        return f"runs elsewhere: {urls}"
    if found["status"] == "down":
        return "down (`aufruf up` starts Airflow and MLflow)"
    return (
        f"NOT WELL: {', '.join(found['unwell'])}; logs are in {found['logs']}. "
        "`aufruf down`, then `aufruf up`, starts it anew"
    )


def _version(one: dict[str, Any] | None) -> str:
    if one is None:
        return "none yet"
    f1 = one["metrics"].get("f1")
    quality = f", test F1 {f1['value']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]" if f1 else ", not evaluated"
    instead = f" (stands in for {one['stand_in_for']})" if one["stand_in_for"] else ""
    refused = f"; REFUSED: {one['refused']}" if one.get("refused") else ""
    return f"version {one['version']}{quality}; {one['encoder']}{instead}{refused}"


def backup(result: dict[str, Any]) -> list[str]:
    """How much is in the archive, and what is not."""
    tables = ", ".join(f"{name} at version {version}" for name, version in result["tables"].items())
    return [
        f"{result['archive']}: {counted(result['files'], 'file')}, "
        f"{result['bytes'] / 1e6:.1f} MB; it holds posts and secrets",
        f"tables: {tables or 'none'}",
        *(f"not in it: {one}" for one in result["outside"]),
    ]


def restore(result: dict[str, Any]) -> list[str]:
    """What is there again, and what has to come from elsewhere."""
    tables = ", ".join(f"{name} at version {version}" for name, version in result["tables"].items())
    return [
        f"{result['home']}: {counted(result['files'], 'file')}, as of {result['made_at']}",
        f"tables: {tables or 'none'}",
        *(f"was not in it: {one}" for one in result["outside"]),
    ]


def prune(result: dict[str, Any]) -> list[str]:
    """What went, or would go."""
    if result["status"] == "nothing to do":
        return ["Nothing is older than [retention] of the classifier file allows."]
    done = result["status"] == "done"
    counts = [
        (len(result["checkpoints"]), "work folder", " of trainings"),
        (len(result["versions"]), "registered version", f" ({', '.join(result['versions'])})"),
        (result["runs"], "run", " in MLflow"),
        (len(result["reports"]), "day", " of reports"),
        (len(result["report_files"]), "file", f" with texts beside them ({', '.join(result['report_files'])})"),
        (result["checks"], "file", " on the checks of what was taken in"),
        (result["originals"], "original file", ""),
        (result["quarantine"], "refused row", ""),
        (result["texts"], "text", " that nobody annotated, with what models said of them"),
        (result["orphans"], "text", " gone while they were scored: what models said of them"),
    ]
    small = ", ".join(f"{files} of {table}" for table, files in result["compacted"].items())
    verb = "were" if done else "would be"
    listed = [f"  {counted(count, what)}{more}" for count, what, more in counts if count]
    if result["tables"]:
        listed.append(f"  old versions of {counted(len(result['tables']), 'table')} ({', '.join(result['tables'])})")
    end = [] if done else ["Nothing was done yet: `aufruf prune --yes` does it."]
    gone = [f"{'gone' if done else 'would go'}, {result['bytes'] / 1e6:.1f} MB:", *listed] if listed else []
    return [*gone, *([f"small files that {verb} written into large ones: {small}"] if small else []), *end]


def up(result: dict[str, Any]) -> list[str]:
    """Where the web UIs are, and how to get in and out."""
    login = result["login"]
    return [
        f"The stack is {result['status']}.",
        f"  Airflow   {result['urls']['airflow']}  user {login['user']}, password {login['password']}",
        f"  MLflow    {result['urls']['mlflow']}",
        "  stop it   make down",
    ]


def down(result: dict[str, Any]) -> list[str]:
    """How many processes there were."""
    ended = f": {result['processes']} processes ended" if result["processes"] else ""
    return [f"The stack {'is down' if result['processes'] else result['status']}{ended}."]


def forget(result: dict[str, Any]) -> list[str]:
    """What went, and what still stays."""
    remains, gone = result["remains"], "would go" if result["status"] == "would be done" else "gone"
    kinds = ("text", "annotation", "label", "prediction", "explanation", "signature")
    counts = ", ".join(
        [counted(result[f"{kind}s"], kind) for kind in kinds if result[f"{kind}s"]]
        + ([f"{counted(result['quarantine'], 'row')} in quarantine"] if result["quarantine"] else [])
        + ([f"{counted(result['past'], 'text')} of old versions alone"] if result["past"] else [])
    )
    lines = [f"{gone}: {counts or 'no row of a table'}"] if result["status"] != "nothing to do" else [_NOBODY]
    would = "would be " if result["status"] == "would be done" else ""
    said = (("name", " of files {}changed"), ("page", " {}written without them"), ("page", " {}deleted"))
    for key, (what, words) in zip(("files_renamed", "pages_rewritten", "pages_deleted"), said, strict=True):
        lines += [counted(len(result[key]), what) + words.format(would)] if result[key] else []
    lines += [f"original {would}deleted: {path}" for path in result["originals_deleted"]]
    lines += (
        [f"stays: {counted(remains['ledger_rows'], 'row')} of the ledger, ids only"] if remains["ledger_rows"] else []
    )
    for name, versions in remains["models"].items():
        lines += [
            f"stays: {name} version {one['version']} learnt from {one['train']} of the texts and was tuned on "
            f"{one['validation']}"
            for one in versions
        ]
    lines += [
        f"look again later: training {run} of {name} is under way and may learn from the texts"
        for name, runs in remains["trainings"].items()
        for run in runs
    ]
    lines += [f"stays: {path} holds rows of the author; --raw deletes it" for path in remains["originals"]]
    lines += [f"look yourself: {path} cannot be opened" for path in remains["unopened"]]
    lines += [f"stays: the name of the file {one}, of which nothing else is there" for one in remains["file_names"]]
    lines += [f"stays: {path} names a text" for path in remains["artifacts"]]
    if remains["unread"]:
        unread = counted(len(remains["unread"]), "file")
        lines.append(f"not looked into: {unread} of runs and versions that hold no text (--json)")
    if remains["copies"]:
        lines.append(f"stays: the same words in {counted(remains['copies'], 'text')} of others")
    return lines
