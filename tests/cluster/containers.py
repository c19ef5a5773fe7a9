"""`docker compose`, `aws s3` and `make` as far as blocks in docs call them, on the processes of a Cluster.

``python containers.py NAME ARGUMENTS...``; the file that NATIVELY names says what stands for a service's container: its
environment, its working folder, and where its paths are here. ``meanwhile`` in it is what somebody does while tables
are copied: once, when the log of a second one was looked at and nothing of it is copied yet.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from fnmatch import fnmatch
from itertools import dropwhile
from pathlib import Path
from typing import Any

import boto3

UMASK = 0o022  # a container has its own, whatever the shell's is


def docker(natively: dict[str, Any], *words: str) -> int:
    assert words[:3] == ("compose", "-f", "docker/compose.yaml")
    verb, *rest = words[3:]
    service, *command = dropwhile(lambda word: word.startswith("-"), rest)
    if verb == "run":  # a new container goes through the image's entrypoint, `exec` does not
        command = ["/opt/aufruf/docker/entrypoint.sh", *command]
    return {"up": up, "cp": cp, "exec": run, "run": run}[verb](natively, service, command)


def up(natively: dict[str, Any], service: str, more: list[str]) -> int:
    """Ask whoever has the services to start them, and wait until that was done."""
    place = natively["up"]
    Path(f"{place}.draft").write_text(" ".join([service, *more]), "utf-8")
    Path(f"{place}.draft").rename(f"{place}.asked")
    for _ in range(1500):
        if Path(f"{place}.done").exists():
            return 0
        time.sleep(0.2)
    return 1  # nobody did


def cp(natively: dict[str, Any], source: str, target: list[str]) -> int:
    service, _, path = source.partition(":")
    shutil.copy(here(natively, service, path), *target)
    return 0


def run(natively: dict[str, Any], service: str, command: list[str]) -> int:
    one = natively["services"][service]
    command = [here(natively, service, word) for word in command]
    return subprocess.run(command, env=one["env"], cwd=one["folder"], check=False, umask=UMASK).returncode


def here(natively: dict[str, Any], service: str, word: str) -> str:
    """What a container calls by one path is another one on this machine."""
    paths = natively["services"][service]["paths"]
    return re.sub("|".join(map(re.escape, paths)), lambda found: paths[found[0]], word) if paths else word


def aws(natively: dict[str, Any], s3: str, verb: str, *words: str) -> int:
    assert s3 == "s3"
    if verb == "mb":
        where = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
        boto3.client("s3").create_bucket(Bucket=words[0].removeprefix("s3://"), CreateBucketConfiguration=where)
        return 0
    assert verb == "sync"
    source, target, *filters = words
    down = source.startswith("s3://")
    bucket, _, prefix = (source if down else target).removeprefix("s3://").partition("/")
    folder, store = Path(target if down else source), boto3.client("s3")
    for key in sorted(keys(store, bucket, prefix) if down else names(folder)):
        if not wanted(key, filters):
            continue
        if down:
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            meanwhile(natively, f"{prefix}/{key}")
            store.download_file(bucket, f"{prefix}/{key}", str(folder / key))
        else:
            store.upload_file(str(folder / key), bucket, f"{prefix}/{key}")
    return 0


def meanwhile(natively: dict[str, Any], key: str) -> None:
    if "/_delta_log/" not in key or "meanwhile" not in natively:
        return
    file = Path(os.environ["NATIVELY"])
    table = key.partition("/_delta_log/")[0]
    if natively.setdefault("first", table) != table:
        does = natively.pop("meanwhile")
        subprocess.run(does["command"], env=does["env"], check=True, umask=UMASK)
    file.write_text(json.dumps(natively), "utf-8")


def keys(store: Any, bucket: str, prefix: str) -> set[str]:
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return {one["Key"].removeprefix(f"{prefix}/") for page in pages for one in page.get("Contents", [])}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def wanted(key: str, filters: list[str]) -> bool:
    """As the AWS CLI decides: everything, unless the last filter that matches excludes it."""
    said = True
    for option, pattern in zip(filters[::2], filters[1::2], strict=True):
        if fnmatch(key, pattern):
            said = {"--include": True, "--exclude": False}[option]
    return said


def make(_: dict[str, Any], *targets: str) -> int:
    """The test ends and starts what there is."""
    assert {*targets} <= {"compose-up", "compose-down"}
    return 0


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    about = json.loads(Path(os.environ["NATIVELY"]).read_text("utf-8"))
    sys.exit({"docker": docker, "aws": aws, "make": make}[name](about, *arguments))
