"""Who may be at work on a file of a home that several machines share.

A lock of a file tells the processes of one machine that its holder lives; on a network disk it may tell others nothing.
"""

import hashlib
import socket
import time
from pathlib import Path

_LONGEST = 86_400.0  # seconds without a write after which nobody is at work on a file any more, wherever


def here() -> str:
    """What stands for this machine, or container, in names of files."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:10]


def age(path: Path) -> float:
    """Seconds since a file was written to; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def deserted(path: Path) -> bool:
    """Whether nobody is at work on a file any more, on whatever machine."""
    return age(path) >= _LONGEST


def beyond(host: str, path: Path) -> bool:
    """Whether another machine may be at work on a file that ``host`` has named: its lock is not to be asked here."""
    return host != here() and not deserted(path)
