"""Everything is lost, and back again by the lines of docs/backups.md, with other secrets by those of docs/runbook.md.

Comes last: the cluster is another one then.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from deltalake import DeltaTable
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
RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text("utf-8").partition("## A secret has leaked\n")[2]
LEAKED = "\n".join(re.findall(r"^```bash\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL))
LOOSE = (
    "jwt_secret",
    "redis_password",
    "api_secret_key",
    "mlflow_secret_key",
    "webhook_secret",
    "airflow_passwords.json",
)
MEANWHILE = """
from pathlib import Path
from aufruf.classifier import choose
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from deltalake import DeltaTable
import json, sys

settings = Settings.load()
columns = {"text": "words", "label": "answer"}
took = ingest(settings, [choose(settings, sys.argv[1])], [Path(sys.argv[2])], columns=columns)["files"]
for table in sys.argv[3:]:
    DeltaTable(f"{settings.lake}/{table}").create_checkpoint()
print(json.dumps(took[0]))
"""
VOTES = "words,answer\nKommt zum Infostand am Rathaus,True\nEin Tag im Mai,False\nEin Tag im Juni,vielleicht\n"
DAGS = ("ingest", f"{NAME}.train", f"{NAME}.score", f"{NAME}.monitor")


def test_what_is_lost_comes_back(system: System, tmp_path: Path) -> None:
    """Champion and versions, tables, studies, Airflow's runs and files; and what comes afterwards is scored.

    A file that is taken in while the tables are copied is not said to be taken in, and is with its rows once it comes
    again. Every secret but the store's keys and MLflow's login is another one then, and opens what the old one did.
    No file that the lines have made can be read by anybody but its owner.
    """
    system.calm()
    cluster, votes = system.cluster, tmp_path / "votes.csv"
    votes.write_text(VOTES, "utf-8")
    taking = [*entry(cluster), "python", "-c", MEANWHILE, NAME, str(votes)]
    tables = [name for name in TABLES if system.store.version(name) is not None]
    for name in tables:
        DeltaTable(f"{system.settings.lake}/{name}").create_checkpoint()
    about = {"command": [*taking, *tables], "env": cluster.env("worker")}
    store = {name: value for name, value in expanded(cluster, "worker").items() if name.startswith("AWS_")}
    (tmp_path / "docker").mkdir()
    shutil.copy(CHECKOUT / "docker" / "secrets.sh", tmp_path / "docker")
    shutil.copytree(cluster.secrets, tmp_path / "docker" / "secrets")
    there = {tmp_path / "bin", tmp_path / "docker", votes, tmp_path / "natively.json", tmp_path / "said"}
    assert run(cluster, KEPT, tmp_path, store, meanwhile=about).wait(300) == 0, (tmp_path / "said").read_text("utf-8")
    made = [one for path in set(tmp_path.iterdir()) - there for one in (path, *path.rglob("*"))]
    assert len(made) > 20
    assert not [one for one in made if one.stat().st_mode & 0o077]
    before = state(system)
    shutil.rmtree(tmp_path / "docker" / "secrets")
    back = run(cluster, BACK, tmp_path, store)
    services = told(tmp_path / "up.asked")
    cluster.lose()
    shutil.copytree(tmp_path / "docker" / "secrets", cluster.secrets)
    for service in services:
        cluster.begin(service)
    (tmp_path / "up.done").touch()
    assert back.wait(300) == 0, (tmp_path / "said").read_text("utf-8")
    again = subprocess.run(taking, env=cluster.env("worker"), check=True, capture_output=True)
    assert json.loads(again.stdout.splitlines()[-1])["status"] == "new"
    change_secrets(cluster, tmp_path, store)
    cluster.start()
    until("all components", lambda: system.airflow.unwell() == [])
    system.settings = replace(system.settings, studies_url=expanded(cluster, "worker")["AUFRUF_STUDIES"])
    after = state(system)
    assert before["runs"] <= after.pop("runs")
    assert after == {name: found for name, found in before.items() if name != "runs"}
    assert "no webhook" not in cluster.log("setup")
    system.deliver(950, posts=5, votes=0)
    until("the new posts", lambda: system.store.count("texts") == before["tables"]["texts"] + 5)
    until("each text to be read", lambda: not system.unscored())


def change_secrets(cluster: Cluster, folder: Path, store: dict[str, str]) -> None:
    """By all lines of docs/runbook.md on secrets that leaked; what Airflow's watch over the inbox keeps opens still."""
    secrets = folder / "docker" / "secrets"
    before = {path.name: path.read_text("utf-8") for path in secrets.iterdir()}
    block = LEAKED.replace("docker/secrets/jwt_secret", " ".join(f"docker/secrets/{name}" for name in LOOSE))
    assert run(cluster, block, folder, store).wait(120) == 0, (folder / "said").read_text("utf-8")
    shutil.copytree(secrets, cluster.secrets, dirs_exist_ok=True)
    changed = {name for name, word in before.items() if (secrets / name).read_text("utf-8") != word}
    assert changed == {*LOOSE, "studies_db_password", "fernet_key", "mlflow_webhook_key"}
    asked = ["psql", "--username", "postgres", "--dbname", "airflow", "-Atc", "select kwargs from trigger"]
    watched = subprocess.run(asked, env=cluster.admin(), check=True, capture_output=True).stdout.split()
    assert watched
    assert all(Fernet((secrets / "fernet_key").read_text("utf-8").strip()).decrypt(kwargs) for kwargs in watched)


def entry(cluster: Cluster) -> list[str]:
    return [part.replace("/opt/aufruf", str(CHECKOUT)) for part in cluster.services["worker"]["entrypoint"][:1]]


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


def run(cluster: Cluster, block: str, folder: Path, store: dict[str, str], **more: Any) -> subprocess.Popen[bytes]:
    """Run the lines in a folder, with programs that do on this machine what they would do to containers."""
    paths = {"/opt/aufruf/": f"{CHECKOUT}/", "/tmp/": f"{cluster.temporary / 'worker'}/"}  # noqa: S108
    words = {"AUFRUF_SECRETS": str(folder / "docker" / "secrets")}
    initial = {"/docker-entrypoint-initdb.d/": f"{CHECKOUT / 'docker'}/"}
    services = {
        "worker": {"env": cluster.env("worker"), "folder": str(cluster.home), "paths": paths},
        "postgres": {"env": cluster.admin() | words, "folder": str(folder), "paths": initial},
        "scheduler": {"env": cluster.env("scheduler") | words, "folder": str(cluster.home), "paths": paths},
    }
    env = os.environ | store | stand_ins(folder, services, **more) | {"AUFRUF_UID": "1000"}  # where root runs the test
    with (folder / "said").open("w", encoding="utf-8") as said:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=env, stdout=said, stderr=said
        )


def told(file: Path, seconds: float = 60.0) -> list[str]:
    """The words in a file once somebody has written it."""
    until(file.name, file.exists, seconds)
    return file.read_text("utf-8").split()
