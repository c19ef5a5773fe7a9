"""An S3 store on loopback: moto, and in front of it a switch that lets it answer 503.

``python s3.py PORT SWITCH``: while the file SWITCH exists, every request is refused with 503 SlowDown.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import uvicorn
from a2wsgi import WSGIMiddleware
from moto.moto_server.werkzeug_app import create_backend_app

_BUSY = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'


def main(port: int, switch: Path) -> None:
    store = create_backend_app("s3")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if switch.exists():
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(_BUSY)))])
            return [_BUSY]
        return store(environ, start_response)

    uvicorn.run(WSGIMiddleware(application), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
