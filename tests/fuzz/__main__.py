"""``python -m tests.fuzz spec|tree --minutes N [--seed S]``: mutations until the time is over."""

from __future__ import annotations

import argparse
import importlib
import time

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=["spec", "tree"])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    module = importlib.import_module(f"tests.fuzz.{given.what}")
    raise SystemExit(module.main(given.minutes, given.seed))
