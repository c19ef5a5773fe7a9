"""`make bench`: every benchmark, one after the other."""

import os
import platform

from benchmarks import lake_size, lime, scoring, scoring_size, splits, sweeps, training

if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    scoring.main()
    scoring_size.main((10_000, 100_000))
    lake_size.main()
    lime.main()
    splits.main()
    training.main()
    sweeps.main()
