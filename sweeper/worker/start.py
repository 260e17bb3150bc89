"""Starts a helper process: ``python start.py MODULE SESSION_FILE`` runs the module's ``main``.

``python -m`` would look for everything in the working directory first, which is the user's: a
``random.py`` there would stand in for Python's. This package is found where it lies.
"""

import sys


def main() -> None:
    import importlib.util
    from pathlib import Path

    init = Path(__file__).resolve().parents[1] / "__init__.py"
    spec = importlib.util.spec_from_file_location("sweeper", init)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["sweeper"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    importlib.import_module(f"sweeper.worker.{sys.argv.pop(1)}").main()


if __name__ == "__main__":
    del sys.path[0]  # where this file lies
    main()
