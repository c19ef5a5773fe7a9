"""What is said where the reading of a file fails in a way that nobody foresaw: the other files go on all the same."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aufruf.errors import DataRefused


@contextmanager
def blamed() -> Iterator[None]:
    """Raises DataRefused in place of what a value can do to a reader, and to the libraries below it.

    Only its kind and place are told: its message may hold words of the file.
    """
    try:
        yield
    except (ValueError, LookupError, ArithmeticError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise DataRefused(
            f"reading it fails in an unforeseen way ({type(error).__name__} in {Path(last.filename).name}, "
            f"line {last.lineno})",
            next="Export it again, or as another format, and report this sentence: it is a fault of aufruf, too.",
        ) from error
