"""What the command line takes: one sub-command for each step, and their options."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

import aufruf
from aufruf import lines
from aufruf.errors import UsageError


class _Parser(argparse.ArgumentParser):
    """Options have one spelling: with abbreviations `--js` would ask for an object that nobody knows of."""

    def __init__(self, **named: Any) -> None:
        super().__init__(allow_abbrev=False, **named)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """What a command does not know is said with that command's own usage."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        if not lines.for_programs():
            self.print_usage(sys.stderr)
        raise UsageError(message, next=f"`{self.prog} --help` says what there is.")


def _word(written: str) -> str:
    """What was written, if it is more than blanks: an empty name, mostly a shell's unset variable, means nothing."""
    if not written.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return written


def _path(written: str) -> Path:
    return Path(_word(written))


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command for each step. It raises UsageError for what it cannot read."""
    common = _Parser(add_help=False)
    common.add_argument("--classifier", type=_word, metavar="NAME", help="which classifier (default: the only one)")
    common.add_argument(
        "--home", type=_word, metavar="DIR", help="where everything lives (default: AUFRUF_HOME, or ./var)"
    )
    common.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    common.add_argument("--verbose", action="store_true", help="more on standard error")
    preset = _Parser(add_help=False)
    preset.add_argument("--preset", type=_word, metavar="NAME", help="an overlay on the classifier file: demo, quick")
    top = _Parser(prog="aufruf", description=aufruf.__doc__)
    top.add_argument("--version", action="version", version=aufruf.__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {name: commands.add_parser(name, help=text, parents=[common, preset]) for name, text in _PRESET.items()}
    made |= {name: commands.add_parser(name, help=text, parents=[common]) for name, text in _PLAIN.items()}
    files = made["ingest"]
    files.add_argument("files", nargs="*", type=_path, metavar="FILE", help="default: everything in the inbox")
    files.add_argument("--format", type=_word, metavar="NAME", help="instead of finding it from the content")
    files.add_argument(
        "--columns", type=_word, metavar="ROLE=COLUMN,...", help="which column holds what, for any table"
    )
    files.add_argument("--authors", type=_path, metavar="FILE", help="a CSV with author and party")
    refused = made["quarantine"]
    refused.add_argument(
        "action", nargs="?", default="list", type=_word, metavar="ACTION", help="list (default), show, ingest"
    )
    refused.add_argument(
        "file", nargs="?", type=_word, metavar="FILE", help="only this file: its name, or its first digits"
    )
    refused.add_argument("--out", type=_path, metavar="ROWS", help="with show: write the rows as JSON lines, to mend")
    refused.add_argument("--mended", type=_path, metavar="ROWS", help="with ingest: take these mended rows")
    made["label"].add_argument(
        "--queue", type=_path, metavar="FILE", help="write undecided texts as Label Studio tasks"
    )
    made["evaluate"].add_argument(
        "--queue", type=_path, metavar="FILE", help="write doubted labels as Label Studio tasks"
    )
    splits = made["split"]
    splits.add_argument("--audit", action="store_const", const=True, help="write the page about the ledger")
    splits.add_argument("--folds", type=int, metavar="K", help="deal train and validation into K folds")
    splits.add_argument("--as-of", type=_word, metavar="RUN", help="write what this run was trained on; adds nothing")
    splits.add_argument("--out", type=_path, metavar="FILE", help="with --folds or --as-of: where to write")
    made["monitor"].add_argument("--check", action="store_true", help="exit with 1 when something has moved")
    made["queue"].add_argument("--texts", type=int, metavar="N", help="how many (default: as the classifier file asks)")
    made["queue"].add_argument("--out", type=_path, metavar="FILE", help="default: reports/NAME/queue/tasks.json")
    made["sweep"].add_argument("--trials", type=int, metavar="N", help="how many configurations to try")
    made["promote"].add_argument(
        "--version", type=_word, metavar="VERSION", help="make this version champion: a person decides"
    )
    for name in ("evaluate", "score", "explain", "export"):
        made[name].add_argument("--model", type=_word, metavar="VERSION", help="a version number or alias")
    explains = made["explain"]
    explains.add_argument("text", nargs="?", type=_word, metavar="TEXT", help="explain this text instead")
    explains.add_argument(
        "--where", type=_word, metavar="CONDITIONS", help='scored texts to explain: "party=SPD,label=call"'
    )
    explains.add_argument("--dry-run", action="store_const", const=True, help="only say what it would cost")
    forgotten = made["forget"]
    forgotten.add_argument(
        "author", type=_word, metavar="AUTHOR", help="the account's name, or its pseudonym in reports"
    )
    forgotten.add_argument("--raw", action="store_true", help="also delete the originals that hold its rows")
    forgotten.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    made["why"].add_argument("text", type=_word, metavar="TEXT_ID", help="the text that is asked about")
    made["export"].add_argument("--out", type=_path, metavar="FILE", help="a .csv or .parquet file")
    made["export"].add_argument(
        "--for", dest="reader", type=_word, metavar="PROGRAM", help="4cat: the columns that 4CAT reads"
    )
    unmasked = "leave accounts, mentions, addresses and numbers as they are"
    made["export"].add_argument("--unmasked", action="store_const", const=True, help=unmasked)
    made["prune"].add_argument("--yes", action="store_const", const=True, help="do it; without, only say what would go")
    for name in ("backup", "restore"):
        made[name].add_argument("archive", type=_path, metavar="FILE", help="a .tar file")
    made["sample"].add_argument("folder", type=_path, metavar="DIR")
    return top


_PRESET = {
    "sweep": "search for the best hyperparameters",
    "train": "fine-tune, and register the model as challenger",
    "explain": "explain new calls, or one TEXT",
    "night": "the whole chain in one process",
    "up": "start the embedded stack: Airflow and MLflow",
}
_PLAIN = {
    "ingest": "take in annotations and posts",
    "quarantine": "refused rows: list, show, and take in again",
    "label": "decide labels from votes",
    "split": "put new texts into train, validation or test",
    "evaluate": "measure a version on the frozen test set",
    "promote": "challenger against champion",
    "rollback": "the champion before becomes champion again",
    "score": "classify every text not scored yet",
    "why": "when and by what a text was scored, or why not",
    "export": "write predictions to CSV or Parquet",
    "report": "write the page of the day",
    "forget": "remove everything of one author",
    "monitor": "compare the posts that arrived last with those before",
    "queue": "write the texts that would teach most, for annotators",
    "status": "what is where, and what is next",
    "backup": "everything that cannot be made again, in one archive",
    "prune": "remove what is old: says what would go, --yes does it",
    "restore": "put an archive back into an empty home",
    "down": "stop the embedded stack",
    "sample": "write sample exports of an invented campaign",
    "demo": "the whole system on the sample campaign",
}
