"""Everything is lost, and back again by the lines of docs/backups.md. Comes last: the cluster is another one then."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from tests.cluster.conftest import NAME, System, expanded, stand_ins
from tests.cluster.natively import CHECKOUT, Cluster, until

from aufruf.release.registry import CHAMPION
from aufruf.schemas import TABLES

PAGE = (CHECKOUT / "docs" / "backups.md").read_text("utf-8").partition("## Of several machines\n")[2]
KEPT, BACK = (
    block.replace("s3://BUCKET", "s3://aufruf")
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
DAGS = ("ingest", f"{NAME}.train", f"{NAME}.score", f"{NAME}.monitor")


def test_what_is_lost_comes_back(system: System, tmp_path: Path) -> None:
    """Champion and versions, tables, studies, Airflow's runs and files; and what comes afterwards is scored."""
    system.calm()
    before, cluster = state(system), system.cluster
    store = {name: value for name, value in expanded(cluster, "worker").items() if name.startswith("AWS_")}
    shutil.copytree(cluster.secrets, tmp_path / "docker" / "secrets")
    assert run(cluster, KEPT, tmp_path, store).wait(300) == 0, (tmp_path / "said").read_text("utf-8")
    shutil.rmtree(tmp_path / "docker")
    back = run(cluster, BACK, tmp_path, store)
    services = told(tmp_path / "up.asked")
    cluster.lose()
    shutil.copytree(tmp_path / "docker" / "secrets", cluster.secrets)
    for service in services:
        cluster.begin(service)
    (tmp_path / "up.done").touch()
    assert back.wait(300) == 0, (tmp_path / "said").read_text("utf-8")
    cluster.start()
    until("all components", lambda: system.airflow.unwell() == [])
    after = state(system)
    assert before["runs"] <= after.pop("runs")
    assert after == {name: found for name, found in before.items() if name != "runs"}
    system.deliver(950, posts=5, votes=0)
    until("the new posts", lambda: system.store.count("texts") == before["tables"]["texts"] + 5)
    until("each text to be read", lambda: not system.unscored())


def state(system: System) -> dict[str, Any]:
    """What there is, as a client of each part sees it."""
    champion = system.registry.by_alias(CHAMPION)
    assert champion is not None
    with create_engine(str(system.settings.studies_url)).connect() as studies:
        trials = studies.execute(text("select count(*) from trials")).scalar_one()
    home = system.settings.home
    folders = (system.settings.raw, system.settings.reports, home / "inbox")
    return {
        "champion": champion.version,
        "manifest": champion.tags["aufruf.manifest"],
        "tables": {name: system.store.count(name) for name in TABLES if system.store.version(name) is not None},
        "trials": trials,
        "files": {path.relative_to(home) for folder in folders for path in folder.rglob("*") if path.is_file()},
        "runs": {(dag, one["dag_run_id"], one["state"]) for dag in DAGS for one in system.runs(dag)},
    }


def run(cluster: Cluster, block: str, folder: Path, store: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run the lines in a folder, with programs that do on this machine what they would do to containers."""
    paths = {"/opt/aufruf/": f"{CHECKOUT}/", "/tmp/": f"{cluster.temporary / 'worker'}/"}  # noqa: S108
    services = {
        "worker": {"env": cluster.env("worker"), "folder": str(cluster.home), "paths": paths},
        "postgres": {"env": cluster.admin(), "folder": str(folder), "paths": {}},
    }
    env = os.environ | store | stand_ins(folder, services)
    with (folder / "said").open("w", encoding="utf-8") as said:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=env, stdout=said, stderr=said
        )


def told(file: Path, seconds: float = 60.0) -> list[str]:
    """The words in a file once somebody has written it."""
    until(file.name, file.exists, seconds)
    return file.read_text("utf-8").split()
