"""Which code a training says that it ran."""

import shutil
import subprocess
import sys
from pathlib import Path

import aufruf

ASK = "from aufruf.steps.provenance import _git_commit; print(_git_commit())"


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def asked(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_commit_is_of_the_checkout_that_has_the_code(tmp_path):
    """Installed into a folder that another repository ignores, the package is of no commit; checked in, of that one."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("aufruf\n", "utf-8")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "--quiet", "--message", "a thesis")
    shutil.copytree(Path(aufruf.__file__).parent, tmp_path / "aufruf", ignore=shutil.ignore_patterns("__pycache__"))
    assert asked(tmp_path) == "None"
    git(tmp_path, "add", "--force", "aufruf")
    git(tmp_path, "commit", "--quiet", "--message", "with the code")
    assert asked(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
