"""Image, compose file, environment files and pods: valid by their schemas, and as closed as docs/security.md says."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKER = CHECKOUT / "docker"
PROGRAMS = Path(sys.executable).parent
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
METRICS: dict[str, Any] = yaml.safe_load((DOCKER / "compose.metrics.yaml").read_text("utf-8"))["services"]
GUARD = "guard"
del METRICS[GUARD]  # only what it gets beside
NOTIFY = {"path": "secrets/notify.env", "required": False}
SPEAKERS = {"worker", "worker-gpu", "triggerer", "dag-processor"}  # what notifies, or fetches from the model hub
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("aufruf:") and name != GUARD)


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def environment(service: str) -> dict[str, str]:
    """What compose hands to the service, names and templates as they are written."""
    found = {}
    for file in filter(lambda one: one != NOTIFY, SERVICES[service]["env_file"]):
        lines = (DOCKER / file).read_text("utf-8").splitlines()
        found |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    assert run(DOCKER / "secrets.sh", folder).returncode == 0
    return folder


def test_the_dockerfile_has_no_fault_that_a_linter_knows():
    """hadolint, with all its rules."""
    said = run(PROGRAMS / "hadolint", DOCKER / "Dockerfile")
    assert said.stdout + said.stderr == ""


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml", "compose.metrics.yaml"])
def test_compose_files_are_valid(name):
    """By the schema of the Compose specification."""
    said = run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / name)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("name", ["pod.yaml", "gpu-pod.yaml"])
def test_pods_are_valid(name):
    """By Kubernetes' own schema, no unknown field; called as Airflow wants it, not root's, with a worker's secrets."""
    import kubernetes_validate

    pod = yaml.safe_load((DOCKER / name).read_text("utf-8"))
    kubernetes_validate.validate(pod, "1.31", strict=True)
    [container] = pod["spec"]["containers"]
    assert container["name"] == "base"
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) is (name == "gpu-pod.yaml")
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    [secrets] = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert {item["key"] for item in secrets["items"]} == set(SERVICES["worker"]["secrets"])


def test_health_checks_see_what_the_service_sees():
    """What needs secrets goes through the entrypoint: a check gets the placeholders, not what stands for them."""
    values = yaml.safe_load((DOCKER / "helm-values.yaml").read_text("utf-8"))
    probes = [values[part]["livenessProbe"]["command"] for part in ("scheduler", "dagProcessor", "triggerer")]
    assert all(probe[:2] == ["/opt/aufruf/docker/entrypoint.sh", "airflow"] for probe in probes)
    checks = [SERVICES[name]["healthcheck"]["test"] for name in ("worker", "worker-gpu")]
    assert all(check[1:3] == ["/opt/aufruf/docker/entrypoint.sh", "sh"] for check in checks)


def test_every_part_that_stays_has_a_health_check():
    """Of its own: the image's only says that tables and registry can be read from it."""
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"setup", GUARD}


def test_what_a_part_needs_is_there_once_its_check_says_so():
    """PostgreSQL's first start has a server of its own on the socket, that ends; of the store, S3 begins last."""
    checks = {name: SERVICES[name]["healthcheck"]["test"] for name in ("postgres", "s3")}
    assert checks["postgres"][:4] == ["CMD", "pg_isready", "--host", "127.0.0.1"]
    [port] = [word.partition("=")[2] for word in SERVICES["s3"]["command"] if word.startswith("-s3.port=")]
    assert checks["s3"] == ["CMD", "nc", "-z", "127.0.0.1", port]


def test_only_the_two_uis_can_be_reached_and_only_from_this_machine():
    """Every published port is on loopback; what publishes none is in a network that leads nowhere, or speaks itself.

    A third UI comes with METRICS=1.
    """
    published = {name: service["ports"] for name, service in {**SERVICES, **METRICS}.items() if "ports" in service}
    assert sorted(published) == ["api-server", "grafana", "mlflow"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert COMPOSE["networks"]["inside"]["internal"]
    closed = {name: service["networks"] for name, service in SERVICES.items() if name not in {*published, *SPEAKERS}}
    assert all(networks == ["inside"] for networks in closed.values())


def test_what_fetches_models_and_notifies_has_a_way_out():
    """In a network in which nobody listens, with the addresses of notifications where somebody has given them."""
    assert all(SERVICES[name]["networks"] == ["inside", "way_out"] for name in SPEAKERS)
    assert {name for name, service in SERVICES.items() if NOTIFY in service.get("env_file", [])} == SPEAKERS
    assert COMPOSE["networks"]["way_out"] == {}
    assert not any("ports" in SERVICES[name] for name in SPEAKERS)


def test_the_pool_has_a_slot_for_each_gpu_worker():
    """So many as are started now, one where nobody says; fewer workers take slots back."""
    for given, slots in ((["GPU_WORKERS=2"], 2), ([], 1), (["AUFRUF_GPU_SLOTS=3"], 3)):
        said = run("make", "--dry-run", "--directory", CHECKOUT, "compose-up", *given)
        assert re.findall(r"AUFRUF_GPU_SLOTS=(\d+) ", said.stdout) == [str(slots)], said.stderr


def test_a_bare_line_of_compose_means_what_make_means():
    """No file of Compose's asks for what only make says; the folder of the first one has the file that says the rest.

    What only make says besides is for components that no line in the docs starts.
    """
    [line] = re.findall(r"^COMPOSE := (.*)$", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE)
    made = set(re.findall(r"\b(AUFRUF_\w+)=", line))
    files = [
        (DOCKER / name).read_text("utf-8") for name in ("compose.yaml", "compose.gpu.yaml", "compose.metrics.yaml")
    ]
    assert made == {"AUFRUF_METRICS", "AUFRUF_GPU_SLOTS"}
    assert not [name for name in made for file in files if name in file]
    pages = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]
    lines = [line for page in pages for line in page.read_text("utf-8").splitlines() if "docker compose -f" in line]
    assert len(lines) > 8
    assert all("docker compose -f docker/compose.yaml " in line for line in lines)
    assert "docker/.env" in (CHECKOUT / ".gitignore").read_text("utf-8").split()
    started = {word for line in lines for word in re.findall(r" (?:up|run) (?:-\S+ )+(\S+(?: s3)?)", line)}
    assert started == {"postgres", "postgres s3", "worker", "scheduler"}  # the last two for one command only


@pytest.mark.parametrize(("who", "asked", "owner"), [("1234", "", "1234"), ("0", "1234", "1234"), ("0", "", None)])
def test_containers_run_as_who_makes_their_secrets(tmp_path, who, asked, owner):
    """Compose reads that from .env beside its files, in which other lines stay; root has to name somebody else."""
    (tmp_path / "secrets.sh").write_bytes((DOCKER / "secrets.sh").read_bytes())
    for name, said in (("id", who), ("chown", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {said}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".env").write_text("AUFRUF_TAG=0.2.0\nAUFRUF_MLFLOW_PORT=81\n", "utf-8")
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"} | ({"AUFRUF_UID": asked} if asked else {})
    said = run("bash", tmp_path / "secrets.sh", env=env)
    lines = (tmp_path / ".env").read_text("utf-8").splitlines()
    assert lines[:2] == ["AUFRUF_TAG=0.2.0", "AUFRUF_MLFLOW_PORT=81"]
    if owner is None:
        assert (said.returncode, lines[2:], (tmp_path / "secrets").exists()) == (78, [], False)
        assert "do not run as root" in said.stderr
        return
    assert lines[2:] == [f"AUFRUF_UID={owner}"]
    assert run("bash", tmp_path / "secrets.sh", env={"PATH": env["PATH"]}).returncode == 0  # root's word is kept
    assert (tmp_path / ".env").read_text("utf-8").splitlines() == lines


def test_addresses_can_be_others():
    """A proxy before the UIs, and an MLflow of another name: each address has a variable."""
    names = {"AUFRUF_BASE_URL": "https://airflow.example", "MLFLOW_HOSTS": "flow:5001", "AUFRUF_AIRFLOW_PORT": "81"}
    ways = (({}, "http://127.0.0.1:8080", "mlflow:5000"), (names, "https://airflow.example", "flow:5001"))
    for given, url, host in ways:
        said = run(DOCKER / "environment.sh", "aufruf", "airflow", "mlflow", env={"PATH": os.environ["PATH"], **given})
        found = dict(line.split("=", 1) for line in said.stdout.splitlines())
        assert found["AIRFLOW__API__BASE_URL"] == url
        assert found["AUFRUF_PAGES_URL"] == f"{url}/aufruf/classifiers"
        assert found["MLFLOW_SERVER_ALLOWED_HOSTS"] == f"{host},127.0.0.1:*,localhost:*"


@pytest.mark.parametrize("key", ["s3_access_key", "s3_secret_key"])
def test_a_key_that_leaked_is_in_no_file_any_more(tmp_path, key):
    """Once its file is deleted, the script makes a new key, and the store's file with it."""
    folder = tmp_path / "secrets"
    run(DOCKER / "secrets.sh", folder)
    leaked = (folder / key).read_text("utf-8").strip()
    (folder / key).unlink()
    assert run(DOCKER / "secrets.sh", folder).returncode == 0
    [identity] = json.loads((folder / "s3.json").read_text("utf-8"))["identities"]
    keys = [(folder / name).read_text("utf-8").strip() for name in ("s3_access_key", "s3_secret_key")]
    assert list(identity["credentials"][0].values()) == keys
    assert leaked not in keys


def test_nothing_runs_as_root_or_may_become_it():
    """Each has a user, no capability, and no way to new privileges; the S3 store begins as root to become its user."""
    for name, service in {**SERVICES, **METRICS}.items():
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name
        if name == "s3":
            assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"}
        else:
            assert service["user"].startswith("${AUFRUF_UID")
            assert "cap_add" not in service
    image = (DOCKER / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER \$\{UID\}$", image, re.MULTILINE)


def test_a_database_makes_its_folder_itself():
    """A volume's own folder is the image's user's: only in one below it may the user that we name set the mode."""
    found = {name: one for name, one in SERVICES.items() if one["image"].startswith("postgres:") and "user" in one}
    assert found
    for name, service in found.items():
        [volume] = [Path(one.split(":")[1]) for one in service["volumes"] if one.split(":")[0] in COMPOSE["volumes"]]
        assert volume in Path(service["environment"]["PGDATA"]).parents, name


def test_no_log_grows_without_end():
    """Of a container 100 MB are kept; Docker, unasked, keeps everything."""
    bounded = {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
    assert {name for name, one in (SERVICES | METRICS).items() if one.get("logging") != bounded} == set()


def test_foreign_images_are_pinned():
    """To a release, by tag: who wants the very bytes pins a digest."""
    foreign = [service["image"] for name, service in {**SERVICES, **METRICS}.items() if name not in (*OURS, GUARD)]
    assert all(re.search(r":v?\d+\.\d+(\.\d+)?(-alpine)?$", image) for image in foreign), foreign
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("service", OURS)
def test_a_service_gets_the_secrets_that_it_uses_and_no_other(service):
    """Each %{name} of its environment is one of its secrets, and each secret is used."""
    written = "\n".join(environment(service).values())
    used = set(re.findall(r"%\{(\w+)\}", written))
    if "AUFRUF_WEBHOOK_SECRET_FILE" in environment(service):
        used |= {"webhook_secret", "airflow_passwords.json"}
    assert used == set(SERVICES[service]["secrets"])


def test_workers_cannot_act_as_airflow():
    """They are told neither its database nor what signs its tokens, and its password is not on the volume of all."""
    for service in ("worker", "worker-gpu"):
        assert not [
            name for name in environment(service) if name.startswith(("AIRFLOW__DATABASE", "AIRFLOW__API_AUTH"))
        ]
        assert not {
            "airflow_db_password",
            "jwt_secret",
            "fernet_key",
            "api_secret_key",
            "airflow_passwords.json",
        } & set(SERVICES[service]["secrets"])
    kept = environment("api-server")["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    assert kept == "${AUFRUF_PRIVATE:-/tmp}/airflow_passwords.json"
    assert [volume.split(":")[1] for volume in SERVICES["api-server"]["volumes"]] == [
        "/var/lib/aufruf",
        "/opt/aufruf/classifiers",
    ]


def test_the_scheduler_forks_nothing_to_hand_out_tasks():
    """It has threads (of metrics, of libraries); a fork that inherits a lock of theirs would halt it for ever."""
    assert environment("scheduler")["AIRFLOW__CELERY__SYNC_PARALLELISM"] == "1"


def test_what_a_killed_scheduler_left_is_looked_for_each_minute():
    """The next one, back at once, takes it for alive at its first look, and Airflow's second is five minutes later."""
    assert environment("scheduler")["AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"] == "60"


def test_no_environment_file_holds_a_secret():
    """What is called a key, a password or a secret is a placeholder or a path."""
    for service in OURS:
        for name, value in environment(service).items():
            if re.search(r"KEY|PASSWORD|SECRET", name):
                assert "%{" in value or "/" in value, name


def test_made_secrets_are_their_owners_and_stay(secrets):
    """Files of mode 0600 in a folder of 0700; making them again changes none."""
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    made = {path.name: path.read_text("utf-8") for path in secrets.iterdir()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o600}
    more = yaml.safe_load((DOCKER / "compose.metrics.yaml").read_text("utf-8"))["secrets"]
    assert set(made) == {*COMPOSE["secrets"], *more}
    words = [word for name, word in made.items() if not name.endswith(".json")]
    assert len(set(words)) == len(words)
    assert run(DOCKER / "secrets.sh", secrets).returncode == 0
    assert {path.name: path.read_text("utf-8") for path in secrets.iterdir()} == made
    assert json.loads(made["s3.json"])["identities"][0]["credentials"][0]["accessKey"] == made["s3_access_key"].strip()


def test_the_entrypoint_puts_secrets_in_their_places(secrets):
    """Several in one value too; the command takes over the process, and sees no placeholder."""
    said = entered(secrets, {"URL": "x://%{s3_access_key}:%{redis_password}@y", "PLAIN": "%{ }"}, "env", "-0")
    found = dict(line.split("=", 1) for line in said.stdout.split("\0") if line)
    key, word = ((secrets / name).read_text("utf-8").strip() for name in ("s3_access_key", "redis_password"))
    assert (found["URL"], found["PLAIN"]) == (f"x://{key}:{word}@y", "%{ }")


def test_what_a_killed_container_had_is_gone_when_it_begins_again(tmp_path):
    """Of TMPDIR, which is its own; a command inside leaves it alone. Without one nothing is removed, nor begun."""
    assert {name for name in OURS if "--fresh" in SERVICES[name]["entrypoint"]} == set(OURS)
    assert {SERVICES[name]["environment"]["TMPDIR"] for name in OURS} == {"/tmp/aufruf"}  # noqa: S108
    folder, about = tmp_path / "own", {"TMPDIR": str(tmp_path / "own")}
    assert entered(tmp_path, about, "--fresh", "true").returncode == 0
    (folder / "half").mkdir()
    (folder / "half" / "file").touch()
    assert entered(tmp_path, about, "true").returncode == 0
    assert (folder / "half" / "file").exists()
    assert entered(tmp_path, about, "--fresh", "echo", "begun").stdout == "begun\n"
    assert list(folder.iterdir()) == []
    said = entered(tmp_path, {}, "--fresh", "echo", "begun")
    assert (said.returncode == 0, said.stdout) == (False, "")


def test_a_secret_of_ones_own_may_hold_any_sign(secrets):
    """An ampersand stands for nothing, and quotes, dollars and backslashes are themselves."""
    word = """a&b&&%{c-'"$HOME`id`\\\\-and-so-on"""
    for bad, code in ((word, 78), (word.replace("%{", ""), 0)):
        (secrets / "redis_password").write_text(bad, "utf-8")
        said = entered(secrets, {"URL": "redis://:%{redis_password}@redis"}, "printenv", "URL")
        assert said.returncode == code
        assert code or said.stdout == f"redis://:{bad}@redis\n"


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (None, "no secret"),
        ("", "no secret"),
        ("tiny", "shorter"),
        ("change-me-change-me-change-me", "sample"),
        ("sample-secret-of-forty-characters-length", "sample"),
        ("password1234567890123456", "sample"),
        ("minioadmin-minioadmin-minioadmin", "sample"),
    ],
)
def test_the_entrypoint_refuses_what_is_no_secret(tmp_path, word, why):
    """The command is not run; the refusal names the secret and how to make one, and does not print it."""
    if word is not None:
        (tmp_path / "redis_password").write_text(word, "utf-8")
    said = entered(tmp_path, {"URL": "redis://:%{redis_password}@redis"}, "echo", "started")
    assert said.returncode == 78
    assert "started" not in said.stdout
    assert "redis_password" in said.stderr
    assert why in said.stderr
    assert "docker/secrets.sh" in said.stderr
    assert not word or word not in said.stderr


def test_nothing_starts_before_all_secrets_are_looked_at():
    """One service gets every secret; those that are not ours wait until it has ended well, and ours for them."""
    assert set(SERVICES[GUARD]["secrets"]) == set(COMPOSE["secrets"])
    for name, service in {**SERVICES, **METRICS}.items():
        waits = service.get("depends_on", {})
        if name not in (*OURS, GUARD):
            assert waits == {GUARD: {"condition": "service_completed_successfully"}}, name
        elif name != GUARD:
            assert waits, name


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("postgres_password", "changeme"),
        ("grafana_password", "admin"),
        ("airflow_passwords.json", '{"admin": "password1"}'),
        ("airflow_passwords.json", '{"admin": ""}'),
        ("airflow_passwords.json", '{"a": "long-enough-but-not-the-other", "b": "short"}'),
        ("airflow_passwords.json", "{}"),
        ("s3.json", '{"identities": [{"name": "aufruf", "credentials": [{"accessKey": "sample", "secretKey": "x"}]}]}'),
    ],
)
def test_the_guard_refuses_samples_that_only_foreign_images_read(tmp_path, name, content):
    """It names the secret and prints none; with secrets as they are made it ends well."""
    folder = tmp_path / "secrets"
    run(DOCKER / "secrets.sh", folder)
    assert entered(folder, {}, "--secrets").returncode == 0
    (folder / name).write_text(content, "utf-8")
    said = entered(folder, {}, "--secrets")
    assert (said.returncode, name in said.stderr) == (78, True)
    assert content not in said.stderr


def test_tasks_for_a_gpu_get_a_pod_of_their_own(monkeypatch):
    """With AUFRUF_GPU_POD the template is named; without, nothing of Kubernetes is."""
    from aufruf_airflow.task import step

    monkeypatch.delenv("AUFRUF_GPU_POD", raising=False)
    assert step(gpu=True)(lambda: None).kwargs.get("executor_config") is None
    monkeypatch.setenv("AUFRUF_GPU_POD", "/opt/aufruf/docker/gpu-pod.yaml")
    assert step(gpu=True)(lambda: None).kwargs["executor_config"] == {
        "pod_template_file": "/opt/aufruf/docker/gpu-pod.yaml"
    }
    assert step()(lambda: None).kwargs.get("executor_config") is None


@pytest.mark.parametrize("name", ["pod.yaml", "gpu-pod.yaml"])
def test_airflow_makes_a_tasks_pod_of_the_file(name):
    """By the provider's own code: image, secrets and GPU are the file's, command and name are Airflow's."""
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    about = {"dag_id": "call_to_action.train", "task_id": "train", "pod_id": "task-1", "try_number": 1, "date": None}
    about |= {"kube_image": None, "args": ["execute"], "pod_override_object": None, "namespace": "default"}
    template = PodGenerator.deserialize_model_file(str(DOCKER / name))
    pod = PodGenerator.construct_pod(**about, base_worker_pod=template, scheduler_job_id="1")
    [container] = pod.spec.containers
    assert (container.name, container.args, container.image) == ("base", ["execute"], "aufruf:0.1.0")
    assert container.env_from[0].config_map_ref.name == "aufruf-worker"
    assert container.resources.limits.get("nvidia.com/gpu") == ("1" if name == "gpu-pod.yaml" else None)
    assert pod.spec.automount_service_account_token is False


def entered(secrets: Path, env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says that the entrypoint has become."""
    return run(
        DOCKER / "entrypoint.sh", *command, env={"PATH": os.environ["PATH"], "AUFRUF_SECRETS": str(secrets)} | env
    )


def test_environments_for_kubernetes_are_those_of_compose(tmp_path):
    """environment.sh writes what compose would make of the same file with the same names."""
    from tests.cluster.natively import read_env

    names = {"POSTGRES": "db.example:5432", "AUFRUF_EXECUTOR": "KubernetesExecutor"}
    for name in ("aufruf", "airflow", "airflow-core", "mlflow"):
        said = run(DOCKER / "environment.sh", name, env={"PATH": os.environ["PATH"], **names})
        written = dict(line.split("=", 1) for line in said.stdout.splitlines())
        assert written == read_env(DOCKER / "env" / f"{name}.env", names), said.stderr


def test_the_charts_values_fit_the_image_and_the_pod():
    """One image, one user, the same volumes and secrets as the GPU pod; no server of the chart's own beside ours."""
    values = yaml.safe_load((DOCKER / "helm-values.yaml").read_text("utf-8"))
    pod = yaml.safe_load((DOCKER / "gpu-pod.yaml").read_text("utf-8"))["spec"]
    image = values["images"]["airflow"]
    assert SERVICES["worker"]["image"] == f"{image['repository']}:${{AUFRUF_TAG:-{image['tag']}}}"
    assert pod["securityContext"]["runAsUser"] == values["uid"]
    mounts = {one["name"]: one["mountPath"] for one in values["volumeMounts"]}
    theirs = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert {name: theirs[name] for name in ("home", "secrets")} == {name: mounts[name] for name in ("home", "secrets")}
    assert not any(values[server]["enabled"] for server in ("postgresql", "redis", "statsd"))
    notify = {"secretRef": {"name": "aufruf-notify", "optional": True}}  # as notify.env in compose.yaml
    assert pod["containers"][0]["envFrom"] == [{"configMapRef": {"name": "aufruf-worker"}}, notify]
    assert yaml.safe_load(values["extraEnvFrom"]) == [{"configMapRef": {"name": "aufruf"}}, notify]
    env = {one["name"]: one["value"] for one in values["env"]}
    assert env["AUFRUF_GPU_POD"] == f"{mounts['pods']}/gpu-pod.yaml"
    assert values["config"]["kubernetes_executor"]["pod_template_file"] == f"{mounts['pods']}/pod.yaml"


@pytest.mark.parametrize("name", ["helm-values.yaml", "pod.yaml", "gpu-pod.yaml"])
def test_secrets_leave_kubernetes_room_for_its_own(name):
    """A pod's token is mounted below /run/secrets, so nothing read-only may lie there; ours lie where we are told."""
    found = yaml.safe_load((DOCKER / name).read_text("utf-8"))
    of = found["spec"]["containers"][0] if "spec" in found else found
    mounts = {one["name"]: Path(one["mountPath"]) for one in of["volumeMounts"]}
    tokens = [Path(run, "secrets/kubernetes.io/serviceaccount") for run in ("/run", "/var/run")]
    assert not [path for path in mounts.values() if any(token.is_relative_to(path) for token in tokens)]
    assert {"name": "AUFRUF_SECRETS", "value": str(mounts["secrets"])} in of["env"]
    said = re.search(
        r"^#   export AUFRUF_SECRETS=(.*)$", (DOCKER / "helm-values.yaml").read_text("utf-8"), re.MULTILINE
    )
    assert said
    assert said[1] == str(mounts["secrets"])  # of what environment.sh writes into config maps


def test_clean_keeps_what_cannot_be_made_again(tmp_path: Path) -> None:
    """The stack is brought down first, the environment and the caches go, what is in var stays."""
    (tmp_path / "Makefile").write_bytes((CHECKOUT / "Makefile").read_bytes())
    program, data, cache = (tmp_path / name for name in (".venv/bin/aufruf", "var/lake/texts", ".mypy_cache/one"))
    for file in (program, data, cache):
        file.parent.mkdir(parents=True)
        file.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n', "utf-8")
    program.chmod(0o755)
    assert run("make", "clean", cwd=tmp_path).returncode == 0
    assert (tmp_path / "asked").read_text("utf-8") == "down\n"
    assert [file.exists() for file in (program, data, cache)] == [False, True, False]


def test_a_home_that_an_audit_makes_is_its_owners(tmp_path: Path) -> None:
    """The bill of materials comes first where nothing has been taken in yet: posts and votes come after it."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    for name in ("bin/python", ".installed", "bill/bin/cyclonedx-py"):
        program = tmp_path / ".venv" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n", "utf-8")
        program.chmod(0o755)
    assert run("make", "audit", cwd=tmp_path).returncode == 0
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_an_installation_says_that_it_is_at_work(tmp_path: Path) -> None:
    """It takes a minute in which pip and uv say nothing: a line before it, and one after it."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    lines = run("make", "--no-print-directory", "--dry-run", "install", cwd=tmp_path).stdout.splitlines()
    assert [lines[0].startswith('echo "Installing'), lines[-1].startswith('echo "Installed.')] == [True, True]
