"""What the stack's processes are told, all of it through their environment, and the secrets they share."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from aufruf.errors import StackError
from aufruf.settings import Settings
from aufruf.stack.processes import MARK, write_private

HOST = "127.0.0.1"
USER = "admin"
_TOLD = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")  # connections and variables of the user's own: a mail server, a token
_BUSY = 60  # seconds that a writer waits for another; after sqlite3's own 5 s a busy scheduler had given up and ended
GPU_POOL = "Steps that train or run a model at once: as many as there are GPUs, or workers on the queue gpu."


class Site:
    """Where the files of the checkout lie that the stack needs: DAGs, plugins, pools, server settings."""

    def __init__(self, settings: Settings, env: Mapping[str, str] = os.environ) -> None:
        folder = Path(env.get("AUFRUF_DAGS") or settings.classifiers.parent / "dags").expanduser().resolve()
        if not (folder / "ingest.py").is_file():
            raise StackError(
                "the DAG files are not there",
                where=str(folder),
                next="Run it in the checkout, or set AUFRUF_DAGS to its folder dags.",
            )
        root = folder.parent
        self.dags, self.plugins = folder, root / "plugins"
        self.pools, self.mlflow = root / "docker" / "pools.json", root / "mlflow" / "server.env"


def urls(settings: Settings) -> dict[str, str]:
    """Where a browser finds the two UIs; a tracking server of somebody else's is left where it is."""
    ours = f"http://{HOST}:{settings.mlflow_port}"
    return {
        "airflow": f"http://{HOST}:{settings.airflow_port}",
        "mlflow": ours if settings.embedded_registry else settings.registry_url,
    }


def password_file(settings: Settings) -> Path:
    """The file, readable by its owner only, in which Airflow's simple auth manager keeps the password."""
    return settings.airflow / "passwords.json"


def password(settings: Settings) -> str:
    """The password of the user ``admin``, made up at the first call."""
    kept = _kept(password_file(settings), lambda: json.dumps({USER: secrets.token_urlsafe(18)}))
    return str(json.loads(kept)[USER])


def webhook_secret(settings: Settings) -> str:
    """What MLflow signs its webhook with and Airflow's plugin knows it by, made up at the first call."""
    return _kept(_webhook_file(settings), lambda: secrets.token_urlsafe(32))


def mlflow_environment(settings: Settings, site: Site, mark: str) -> dict[str, str]:
    """Environment of the MLflow server: SQLite and plain artifact folders under the home, loopback only."""
    for_server = dict(
        line.split("=", 1) for line in site.mlflow.read_text("utf-8").splitlines() if line[:1] not in ("", "#")
    )
    return (
        for_server
        | _ours(settings, mark)
        | {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{settings.mlflow / 'mlflow.db'}",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": (settings.mlflow / "artifacts").as_uri(),
            "MLFLOW_HOST": HOST,
            "MLFLOW_PORT": str(settings.mlflow_port),
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": _kept(settings.mlflow / "webhook.key", _fernet),
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",  # Airflow listens on loopback, where there is no TLS
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        }
    )


def airflow_environment(settings: Settings, site: Site, mark: str, preset: str | None) -> dict[str, str]:
    """Environment of Airflow's components and of every task: one machine, SQLite, LocalExecutor, loopback."""
    env = _ours(settings, mark)
    env |= {name: value for name, value in os.environ.items() if name.startswith(_TOLD)}
    env |= {
        "AUFRUF_PRESET": preset or "",
        "MLFLOW_TRACKING_URI": urls(settings)["mlflow"] if settings.embedded_registry else settings.tracking_uri,
        "AUFRUF_WEBHOOK_SECRET_FILE": str(_webhook_file(settings)),
        "TOKENIZERS_PARALLELISM": "false",  # its threads do not survive the fork into a task
        "OMP_NUM_THREADS": env.get("OMP_NUM_THREADS") or str(min(_cores(), 8)),  # small batches gain no more
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait starve the scheduler beside them
    }
    if preset == "demo":
        env["HF_HUB_OFFLINE"] = "1"
    options = _core(settings, site) | _server(settings) | _patience()
    return env | {f"AIRFLOW__{key}": value for key, value in options.items()}


def _core(settings: Settings, site: Site) -> dict[str, str]:
    return {
        "CORE__DAGS_FOLDER": str(site.dags),
        "CORE__PLUGINS_FOLDER": str(site.plugins),
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",  # workers forked at start; the default is 32
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__FERNET_KEY": _kept(settings.airflow / "fernet.key", _fernet),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(settings)),
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{settings.airflow / 'airflow.db'}?timeout={_BUSY}",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _server(settings: Settings) -> dict[str, str]:
    url = urls(settings)["airflow"]
    secret = _kept(settings.airflow / "jwt.secret", lambda: secrets.token_urlsafe(64))
    return {
        "API__HOST": HOST,  # the default is every interface
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": url,
        "API__SECRET_KEY": _kept(settings.airflow / "api.secret", lambda: secrets.token_urlsafe(32)),
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": secret,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
    }


def _patience() -> dict[str, str]:
    return {
        "WORKERS__EXECUTION_API_TIMEOUT": "30",  # the first task's answer takes longer than the default 5 s
        "DAG_PROCESSOR__REFRESH_INTERVAL": "60",  # seconds until a new file is seen; looking costs a core for moments
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        # Airflow's defaults, 20 runs a look and a pause of a second, keep a core busy while many runs are under way,
        # and let a task that could begin wait for the other 19.
        "SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "4",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",  # tasks cut off by `down` are retried that soon
    }


def _ours(settings: Settings, mark: str) -> dict[str, str]:
    """The environment inherited, less what would point Airflow or MLflow elsewhere, plus the mark."""
    foreign = ("AIRFLOW", "_AIRFLOW", *(["MLFLOW_"] if settings.embedded_registry else []))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    loopback = ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), HOST, "localhost"]))
    return kept | {
        MARK: mark,
        "AUFRUF_HOME": str(settings.home),
        "AUFRUF_CLASSIFIERS": str(settings.classifiers),
        "AUFRUF_LAKE": settings.lake,
        **({"AUFRUF_ENCODER": settings.encoder} if settings.encoder else {}),
        "AUFRUF_AIRFLOW_PORT": str(settings.airflow_port),
        "AUFRUF_MLFLOW_PORT": str(settings.mlflow_port),
        "AIRFLOW_HOME": str(settings.airflow),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        "PYTHONUNBUFFERED": "1",
        "SPT_NOENV": "1",  # setproctitle would overwrite the environment that we find the process by
    }


def _kept(file: Path, make: Callable[[], str]) -> str:
    """What the file says; made and kept, for its owner's eyes only, when there is none.

    Raises StackError when it is empty: with an empty key Airflow would encrypt nothing.
    """
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, make())
    found = file.read_text("utf-8").strip()
    if not found:
        raise StackError(
            "the secret is empty",
            where=str(file),
            next="Take the file from a backup. Without it, and with what was encrypted lost, a new one is made.",
        )
    return found


def _webhook_file(settings: Settings) -> Path:
    return settings.airflow / "webhook.secret"


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
