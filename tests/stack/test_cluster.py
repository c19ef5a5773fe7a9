"""What several machines need before the first night."""

import dataclasses

from aufruf.stack import cluster
from aufruf.stack.cluster import prepare


def test_without_a_webhook_everything_starts(settings, tmp_path, monkeypatch, caplog):
    """An MLflow that takes none, as with another key for its secrets, is told of in the log, with what next."""
    (tmp_path / "webhook_secret").write_text("a-secret-of-more-than-twenty-signs", "utf-8")
    asked = []
    monkeypatch.setattr(cluster, "_airflow", lambda *words: asked.append(words))
    monkeypatch.setattr(cluster, "_has_pool", lambda: True)
    env = {
        "AUFRUF_WEBHOOK_SECRET_FILE": str(tmp_path / "webhook_secret"),
        "AUFRUF_AIRFLOW_INSIDE": "http://api-server:8080",
    }
    refusing = dataclasses.replace(settings, tracking_uri="http://127.0.0.1:9")
    prepare(refusing, env)
    assert asked == [("db", "migrate")]
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("MLflow took no webhook")
    assert "docs/runbook.md" in warning
