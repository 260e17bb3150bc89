"""Other people's libraries: the one that is not installed, and what one says when it fails."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from typing import Any

from sweeper.errors import SweeperError, UsageError
from sweeper.wording import shortened


def library(name: str, extra: str) -> Any:
    """The module ``name``. Raises UsageError with the line that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        what = f"this needs {package}, which is not installed: pip install 'sweeper[{extra}]'"
        raise UsageError(what) from None


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
    """Whatever a library raises within as a SweeperError that begins with ``what``."""
    try:
        yield
    except SweeperError:
        raise
    except Exception as error:
        lines = without_password(str(error)).strip().splitlines() or [""]
        raise SweeperError(f"{what}: {type(error).__name__}: {shortened(lines[0], 300)}") from error


def without_password(text: str) -> str:
    """Text in which an address stands, without who asks there."""
    return re.sub(r"://[^/@\s]*@", "://", text)
