"""Writing a sweep back as YAML that YAML 1.2 and 1.1 readers both understand the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from sweeper.errors import UsageError

from .read import reads_as_text


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if reads_as_text(text) else "'"
    if not text.isprintable():  # line ends of other kinds survive as escapes only
        style = "|" if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(data: Mapping[str, Any] | list[Any]) -> str:
    """``data`` in block style, keys in their order. Raises UsageError for what is no data."""
    plain = dict(data) if isinstance(data, Mapping) else data
    try:
        text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    except yaml.representer.RepresenterError as error:
        found = repr(error.args[-1])[:80]
        raise UsageError(f"expected numbers, texts, lists and dicts, found {found}") from None
    return text
