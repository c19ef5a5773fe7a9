"""PostgreSQL, and a worker with its broker, alone: who gets in, and who is well."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import stand_ins
from tests.cluster.natively import CHECKOUT, DOCKER, Cluster, lacking, until

NAMES = ("airflow", "mlflow", "studies")
[BLOCK] = re.findall(
    r"^```bash\n(rm docker/secrets/studies_.*?)^```",
    (CHECKOUT / "docs" / "runbook.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of which nothing runs yet; each call of psql leaves its arguments in ``arguments``."""
    if not os.environ.get("CI") and (missing := lacking()):
        pytest.skip(f"there is no {missing} on this machine")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "psql").write_text(
        f'#!/bin/sh\nprintf \'%s\\n\' "$@" >> {tmp_path / "arguments"}\nexec {shutil.which("psql")} "$@"\n', "utf-8"
    )
    (programs / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    cluster = Cluster(tmp_path / "cluster", DOCKER.parent / "classifiers")
    subprocess.run([DOCKER / "secrets.sh", cluster.secrets], check=True, capture_output=True)
    yield cluster
    cluster.stop()


def test_each_role_opens_its_own_database_and_no_other(alone: Cluster, tmp_path: Path) -> None:
    """Nor those that every PostgreSQL has; and no password was an argument of a program."""
    alone.begin("postgres")
    words = {name: (alone.secrets / f"{name}_db_password").read_text("utf-8").strip() for name in NAMES}
    for role, word in words.items():
        env = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(alone.postgres), "PGUSER": role, "PGPASSWORD": word}
        for database in (*NAMES, "postgres", "template1"):
            said = subprocess.run(
                ["psql", "--dbname", database, "-c", "create table a (b int)"],
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (said.returncode == 0) is (database == role), (role, database)
            assert database == role or "permission denied for database" in said.stderr
    told = (tmp_path / "arguments").read_text("utf-8")
    assert "--dbname" in told
    assert not [word for word in words.values() if word in told]


def test_a_leaked_password_opens_nothing_any_more(alone: Cluster, tmp_path: Path) -> None:
    """The block of docs/runbook.md: one role has another one, and what it owns; the other roles keep theirs.

    The administrator's goes by the same lines.
    """
    alone.begin("postgres")
    docker = tmp_path / "docker"
    docker.mkdir()
    shutil.copy(DOCKER / "secrets.sh", docker)
    shutil.copytree(alone.secrets, docker / "secrets")
    paths = {"/docker-entrypoint-initdb.d/": f"{DOCKER}/"}
    (tmp_path / "up.done").touch()  # it runs
    roles = [*NAMES, "postgres"]
    assert all(enters(alone, role, word(docker / "secrets", role), "create table a (b int)") for role in roles)
    for leaked in (["studies"], ["airflow", "mlflow", "postgres"]):
        old = {one: word(docker / "secrets", one) for one in roles}
        env = alone.admin() | {"AUFRUF_SECRETS": str(docker / "secrets"), "PGPASSWORD": old["postgres"]}
        told = stand_ins(tmp_path, {"postgres": {"env": env, "folder": str(tmp_path), "paths": paths}})
        block = BLOCK.replace(
            "docker/secrets/studies_db_password", " ".join(f"docker/secrets/{file(one)}" for one in leaked)
        )
        about = os.environ | told | {"AUFRUF_UID": "1000"}  # whose containers they are, where root runs the test
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=about, check=False)
        assert done.returncode == 0
        assert [one for one in roles if not enters(alone, one, old[one], "select 1")] == leaked
        words = {role: word(docker / "secrets", role) for role in leaked}
        assert all(enters(alone, role, words[role], "insert into a values (1)") for role in leaked)


def word(secrets: Path, role: str) -> str:
    return (secrets / file(role)).read_text("utf-8").strip()


def file(role: str) -> str:
    return "postgres_password" if role == "postgres" else f"{role}_db_password"


def enters(cluster: Cluster, role: str, password: str, command: str) -> bool:
    """Whether the role can say this in its own database."""
    about = {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.postgres), "PGUSER": role, "PGPASSWORD": password}
    words = ["psql", "--dbname", role, "-c", command]
    return subprocess.run(words, env=os.environ | about, capture_output=True, check=False).returncode == 0


def test_a_worker_is_well_when_it_answers(alone: Cluster) -> None:
    """Compose's check says no while nobody of its name is there, and yes as soon as it takes tasks."""
    alone.begin("redis")
    assert alone.check("worker").returncode != 0
    alone.begin("worker")
    until("the worker", lambda: alone.check("worker").returncode == 0, 120)
