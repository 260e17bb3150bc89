"""Conditions over parameter dicts.

A condition that names a parameter which is not active in a trial does not hold (``when``) or does
not apply (``constraints``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .evaluation import CannotEvaluate, Function
from .grammar import ExpressionError, Parser
from .nested_dicts import Path, get


class _Missing(Exception):
    """The expression names a parameter that this trial does not have."""


@dataclass(frozen=True)
class Expression:
    """A parsed condition; ``function`` gives its value, by the values of its ``names``."""

    text: str
    names: tuple[Path, ...] = field(compare=False, repr=False)
    function: Function = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, known: Mapping[str, Path]) -> Expression:
        """Read ``text``; its names are keys of ``known``. Raises ExpressionError."""
        parser = Parser(text, known)
        function = parser.whole()
        if not parser.names:
            raise ExpressionError("it names no parameter", 0)
        return cls(text, tuple(parser.names), function)

    def holds(self, params: Mapping[str, Any], missing: bool = False) -> bool:
        """Whether ``params`` satisfy it; ``missing`` if a parameter that it names is not there.

        Raises UsageError if it cannot be evaluated (text compared with a number, say).
        """
        try:
            return bool(self.function(partial(_look_up, params)))
        except _Missing:
            return missing
        except CannotEvaluate as error:
            raise self.cannot_evaluate(params, error) from error

    def cannot_evaluate(self, params: Mapping[str, Any], error: CannotEvaluate) -> CannotEvaluate:
        """The same complaint, with the expression and the values that it saw."""
        found = ", ".join(f"{'.'.join(path)} = {get(params, path)!r}" for path in self.names)
        return CannotEvaluate(f"`{self.text}` cannot be evaluated: {found}: {error}", error.mend)


def _look_up(params: Any, path: Path) -> Any:
    for part in path:
        try:
            params = params[part]
        except (KeyError, TypeError, IndexError):
            raise _Missing from None
    return params
