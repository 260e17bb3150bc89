"""``python -m tests.fuzz tree|spec --minutes N [--seed S]``: exit code 1 if something was found."""

from __future__ import annotations

import argparse
import importlib
import sys


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("kind", choices=["tree", "spec"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    return int(importlib.import_module(f"tests.fuzz.{given.kind}").main(given.minutes, given.seed))


if __name__ == "__main__":
    sys.exit(_main())
