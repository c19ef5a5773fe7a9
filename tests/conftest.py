"""Fixtures for all: a tiny real BERT, a small classifier, a home of one's own, and no network."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from tests.forks import Forks

hypothesis.settings.register_profile("aufruf", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("aufruf")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE"  # no fast bf16, in no child either: weights are compared bit by bit

CHECKOUT = Path(__file__).resolve().parents[1]

CLASSIFIER = """
labels = ["no_call", "call"]
positive = "call"
question = "Call to Action"
[spellings]
call = ["True", "TRUE", "1"]
no_call = ["False", "FALSE", "0"]
abstain = ["Unsure"]
[votes]
minimum = {minimum}
[encoder]
name = "{encoder}"
max_tokens = 48
[training]
epochs = 2
batch_size = 16
learning_rate = 1e-3
[sweep]
trials = 2
epochs = [1, 2]
learning_rate = [1e-3, 3e-3]
batch_size = [16]
[gate]
resamples = 200
beat_baseline = false
[explain]
calls = 2
uncertain = 1
control = 1
perturbations = 60
"""


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Makes processes that start at once: see ``tests.forks``."""
    made = Forks()
    yield made
    made.close()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real two-layer BERT with random weights and a WordPiece vocabulary, as a Hugging Face folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny-bert"
    words = "geht wählen am sonntag kommt zum infostand spendet jetzt die partei hat getagt wir danken euch allen"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyzäöüß0123456789!?#@.,:"
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words.split()]  # trained ones vary by run
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{f"{k}_token": v for k, v in roles.items()})
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def calm_bert(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """The tiny BERT without dropout, which 32 neurons cannot spare when they learn three labels at once."""
    folder = tmp_path_factory.mktemp("encoders") / "calm-bert"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.fixture(scope="session")
def full_precision() -> Iterator[Callable[[], object]]:
    """No bf16, also where the processor has it: what a tiny model learns and says is compared to the last digit.

    Gives the function that finds what this machine really computes with.
    """
    from aufruf.model import device

    found = device.find
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "find", lambda: replace(found(), bf16=False))
        yield found


@pytest.fixture(scope="session")
def classifier_toml(tiny_bert: Path) -> str:
    """A classifier file for the tiny BERT."""
    return CLASSIFIER.format(encoder=tiny_bert.as_posix(), minimum=1)


@pytest.fixture
def write_classifier(tmp_path: Path, tiny_bert: Path) -> Callable[..., Path]:
    """Writes classifiers/NAME.toml for the tiny BERT into the test's folder; returns that classifiers folder."""

    def write(name: str = "call_to_action", extra: str = "", minimum: int = 1) -> Path:
        folder = tmp_path / "classifiers"
        folder.mkdir(exist_ok=True)
        text = CLASSIFIER.format(encoder=tiny_bert.as_posix(), minimum=minimum)
        (folder / f"{name}.toml").write_text(text + extra, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def settings(tmp_path: Path, write_classifier: Callable[..., Path]):  # type: ignore[no-untyped-def]
    """Settings of a fresh home with one classifier and the embedded registry."""
    from aufruf.settings import Settings

    loaded = Settings.load(tmp_path / "home", env={})
    return replace(loaded, classifiers=write_classifier())


@pytest.fixture
def classifier(settings):  # type: ignore[no-untyped-def]
    """The one classifier of ``settings``."""
    from aufruf.classifier import choose

    return choose(settings, None)


@pytest.fixture(scope="session")
def fill_inbox(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], None]:
    """``fill_inbox(home, n)``: drop every n-th annotated text of the sample, by all annotators, and all later posts."""
    from aufruf.sample import write_sample

    exports = tmp_path_factory.mktemp("sample")
    write_sample(exports)

    def fill(home: Path, every: int) -> None:
        for pattern, folder in (("annotations_*.json", "annotations"), ("posts_*", "posts")):
            inbox = home / "inbox" / folder
            inbox.mkdir(parents=True)
            for path in exports.glob(pattern):
                (inbox / path.name).write_text(
                    _slice(path, every) if folder == "annotations" else path.read_text("utf-8"), "utf-8"
                )
                os.utime(inbox / path.name, (1_790_000_000, 1_790_000_000))  # complete: nobody is writing it

    return fill


def _slice(path: Path, every: int) -> str:
    tasks = json.loads(path.read_text("utf-8"))
    return json.dumps([task for task in tasks if zlib.crc32(task["data"]["Identifier"].encode()) % every == 0])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real texts; a test that needs it is skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("AUFRUF_SHARED_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real texts are absent: {folder}")
    return folder


@contextmanager
def _postgresql() -> Iterator[str]:
    """A PostgreSQL database of the test's own; AUFRUF_TEST_POSTGRES says where there is a server.

    Without a server the test is skipped and says so, but with ``CI`` set it fails.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import OperationalError

    server = make_url(os.environ.get("AUFRUF_TEST_POSTGRES") or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    name = f"aufruf_test_{secrets.token_hex(6)}"
    try:
        connected = create_engine(server, isolation_level="AUTOCOMMIT").connect()
    except OperationalError:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL answers at {server.host}:{server.port}; AUFRUF_TEST_POSTGRES may name another")
    with connected as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def studies_url() -> Iterator[str]:
    """A PostgreSQL database for one test."""
    with _postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator["MlflowServer"]:
    """An MLflow server whose database is PostgreSQL, for all tests."""
    with _postgresql() as url:
        server = MlflowServer(tmp_path_factory.mktemp("mlflow-on-postgresql"), url)
        server.start()
        yield server
        server.stop()


@pytest.fixture(params=["file", "postgresql"])
def studies(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A place for studies: a folder, and then a PostgreSQL database."""
    from aufruf.model.studies import Studies

    url = request.getfixturevalue("studies_url") if request.param == "postgresql" else None
    return Studies(tmp_path / "studies", url)


class MlflowServer:
    """A real MLflow server, on SQLite unless told otherwise, that a test may stop, start again, and freeze."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.folder, self.process = folder, None
        self.database = database or f"sqlite:///{folder / 'served.db'}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        where = ["--backend-store-uri", self.database, "--port", str(self.port)]
        artifacts = ["--artifacts-destination", (self.folder / "served").as_uri(), "--workers", "1"]
        env = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
            "MLFLOW_WEBHOOK_CACHE_TTL": "0",  # else it knows a new webhook after up to a minute
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        }
        command = [sys.executable, "-m", "mlflow", "server", *where, *artifacts]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 90
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            try:
                self.send(signal.SIGCONT)
                self.send(signal.SIGTERM)
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
                self.process.wait()
            finally:
                self.process = None

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:  # noqa: S310 - our own server
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture(scope="session")
def _one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow-server"))
    yield server
    server.stop()


@pytest.fixture
def mlflow_server(_one_server: MlflowServer) -> MlflowServer:
    """The one MLflow server of all tests, running when a test begins."""
    if not _one_server.alive():
        _one_server.start()
    return _one_server


@pytest.fixture(scope="module")
def new_database() -> Iterator[str]:
    """A PostgreSQL database for the tests of one file."""
    with _postgresql() as url:
        yield url


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., MlflowServer]]:
    """Starts MLflow servers for the tests of one file, on SQLite or in the database given."""
    servers = []

    def start(store: str | None = None) -> MlflowServer:
        servers.append(MlflowServer(tmp_path_factory.mktemp("mlflow-server"), store))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
