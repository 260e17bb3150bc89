"""The grammar of ``when`` and ``constraints``: text to a function. Nothing is run as Python.

or, and, not, comparisons (chained), in / not in, + - * / // % **, unary -, min max abs len(…),
lists [a, b], numbers, 'text', true / false / null, dotted names; `any name` in back quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

from sweeper.wording import all_of, nearest, one_of, shortened

from .distributions import MOST_DIGITS
from .evaluation import Function, arithmetic, call, chain, minus, negation, together
from .nested_dicts import Path

FUNCTIONS = ("min", "max", "abs", "len")
_LITERALS = {"true": True, "false": False, "null": None, "none": None}
_WORDS = ("and", "or", "not", "in")
_TOKEN = re.compile(
    r"""(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<quoted>`[^`]+`)
      | (?P<sign>==|!=|<=|>=|\*\*|//|&&|\|\||[-+*/%<>()\[\],=&|!])
      | (?P<word>[^\W\d]\w*(?:\.\w+)*)""",
    re.VERBOSE,
)
_GOES_ON = re.compile(r"\w|\.\w")
_INSTEAD = {"=": "==", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not"}
_LONGEST = 4000
_DEEPEST = 60
_MOST_CHAINED = 200


class Names(dict[str, Path]):
    """What expressions may name: dotted name → path."""

    @cached_property
    def lengths(self) -> list[int]:
        """How long the names are, longest first: `learning-rate` is one name where there is one."""
        return sorted({len(name) for name in self if name}, reverse=True)


class ExpressionError(ValueError):
    """The text is no expression. ``column`` counts from 0 in the text."""

    def __init__(
        self, message: str, column: int, mend: str = "", *, is_unknown: bool = False
    ) -> None:
        super().__init__(message)
        self.column, self.mend, self.is_unknown = column, mend, is_unknown


class _Token(NamedTuple):
    kind: str  # number, text, name, sign, word, end
    value: Any
    column: int


class Parser:
    """Reads ``text``, which names keys of ``known``; raises ExpressionError."""

    def __init__(self, text: str, known: Mapping[str, Path]) -> None:
        if len(text) > _LONGEST:
            raise ExpressionError(f"longer than {_LONGEST} characters", 0)
        self.text, self.known = text, known if isinstance(known, Names) else Names(known)
        self.tokens = self.read()
        self.names: dict[Path, None] = {}
        self.at = 0
        self.depth = self.chained = 0

    def read(self) -> list[_Token]:
        tokens: list[_Token] = []
        position = 0
        while position < len(self.text):
            if self.text[position].isspace():
                position += 1
                continue
            name = self.known_name(position)
            if name is not None:
                tokens.append(_Token("name", self.known[name], position))
                position += len(name)
                continue
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise ExpressionError(f"unexpected {self.text[position]!r}", position)
            tokens.append(self.token(match, position))
            position = match.end()
        tokens.append(_Token("end", "the end", len(self.text)))
        return tokens

    def known_name(self, position: int) -> str | None:
        for length in self.known.lengths:
            end = position + length
            name = self.text[position:end]
            if name not in self.known or name.lower() in (*_WORDS, *_LITERALS):
                continue
            if not (name[0].isalpha() or name[0] == "_"):
                continue  # it could be a number: such names are written in back quotes
            if _GOES_ON.match(self.text, end):
                continue
            if name in FUNCTIONS and self.text[end:].lstrip().startswith("("):
                continue
            return name
        return None

    def token(self, match: re.Match[str], position: int) -> _Token:
        kind, text = str(match.lastgroup), match.group()
        if kind == "number":
            digits = text.replace("_", "")
            is_whole = digits.isdigit() and len(digits) < MOST_DIGITS
            number = int(digits) if is_whole else float(digits)
            if number == math.inf:
                raise ExpressionError(f"the number {shortened(digits)} is too large", position)
            return _Token(kind, number, position)
        if kind == "text":
            return _Token(kind, re.sub(r"\\(.)", r"\1", text[1:-1]), position)
        if kind == "quoted":
            return _Token("name", self.look_up(text[1:-1], position), position)
        if kind == "sign" and text in _INSTEAD:
            raise ExpressionError(
                f"unknown operator `{text}`", position, f"write `{_INSTEAD[text]}`"
            )
        if kind == "word" and text.lower() in _LITERALS:
            return _Token("literal", _LITERALS[text.lower()], position)
        if kind == "word" and text not in _WORDS and text not in FUNCTIONS:
            followed = self.text[match.end() :].lstrip().startswith("(")
            if followed:
                raise ExpressionError(
                    f"unknown function `{text}`", position, f"there are {all_of(FUNCTIONS)}"
                )
            return _Token("name", self.look_up(text, position), position)
        return _Token(kind, text, position)

    def look_up(self, name: str, position: int) -> Path:
        if name in self.known:
            return self.known[name]
        # A leaf's name alone is not enough, but it is often what was meant.
        leaves = [full for full in self.known if full.endswith(f".{name}")]
        close = leaves[:3] or nearest(name, self.known, 3)
        mend = f"did you mean {one_of([f'`{one}`' for one in close])}?"
        if not close:
            mend = f"write '{name}' if text is meant"
            if len(self.known) <= 8:
                mend += f"; the parameters are {one_of(self.known)}" if self.known else ""
        raise ExpressionError(f"`{name}` is no parameter", position, mend, is_unknown=True)

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *values: str) -> str | None:
        token = self.next
        if token.kind in ("sign", "word") and token.value in values:
            self.at += 1
            return str(token.value)
        return None

    def need(self, value: str) -> None:
        if self.take(value) is None:
            self.fail(f"expected `{value}`")

    def fail(self, what: str) -> NoReturn:
        token = self.next
        found = "the end" if token.kind == "end" else f"`{self.text[token.column :].split()[0]}`"
        raise ExpressionError(f"{what}, found {found}", token.column)

    def whole(self) -> Function:
        """From the values of its ``names``, as vague as they may be, to that of the text."""
        found = self.either()
        if self.next.kind != "end":
            self.fail("expected an operator")
        return found

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ExpressionError("nests too deeply", self.next.column)

    def either(self) -> Function:
        self.deeper()
        found = self.joined("or", lambda: self.joined("and", self.negation))
        self.depth -= 1
        return found

    def joined(self, word: str, operand: Callable[[], Function]) -> Function:
        parts = [operand()]
        while self.take(word):
            parts.append(operand())
        return parts[0] if len(parts) == 1 else lambda names: together(parts, names, word == "or")

    def negation(self) -> Function:
        count = 0
        while self.take("not"):
            count += 1
        inner = self.comparison()
        return (lambda names: negation(inner(names))) if count % 2 else inner

    def comparison(self) -> Function:
        operands, operators = [self.sum()], []
        while True:
            operator = self.take("==", "!=", "<=", ">=", "<", ">", "in")
            if operator is None and self.next.value == "not" and self.next.kind == "word":
                self.at += 1
                self.need("in")
                operator = "not in"
            if operator is None:
                break
            operators.append(operator)
            operands.append(self.sum())
        if not operators:
            return operands[0]
        return lambda names: chain(operators, operands, names)

    def sum(self) -> Function:
        return self.chain(("+", "-"), lambda: self.chain(("*", "/", "//", "%"), self.signed))

    def chain(self, signs: Sequence[str], operand: Callable[[], Function]) -> Function:
        """Operations from left to right, each of which calls those before it."""
        found = operand()
        while operator := self.take(*signs):
            self.chained += 1
            if self.chained > _MOST_CHAINED:
                what = f"more than {_MOST_CHAINED} additions and multiplications"
                raise ExpressionError(what, self.next.column, "compute it in the train function")
            found = _operation(operator, found, operand())
        return found

    def signed(self) -> Function:
        negative = False
        while sign := self.take("-", "+"):
            negative ^= sign == "-"
        inner = self.power()
        return (lambda names: minus(inner(names))) if negative else inner

    def power(self) -> Function:
        found = self.atom()
        if self.take("**"):
            self.deeper()
            found = _operation("**", found, self.signed())
            self.depth -= 1
        return found

    def atom(self) -> Function:
        token = self.next
        if token.kind in ("number", "text", "literal"):
            self.at += 1
            return lambda names: token.value
        if token.kind == "name":
            self.at += 1
            self.names[token.value] = None
            return lambda names: names(token.value)
        if self.take("("):
            inner = self.either()
            if self.take(","):
                return _list([inner, *self.items(")")])
            self.need(")")
            return inner
        if self.take("["):
            return _list(self.items("]"))
        function = self.take(*FUNCTIONS)
        if function:
            self.need("(")
            arguments = self.items(")")
            if not arguments or (function in ("abs", "len") and len(arguments) != 1):
                few = "one argument" if function in ("abs", "len") else "one or more arguments"
                raise ExpressionError(f"{function}() takes {few}", token.column)
            given = _list(arguments)
            return lambda names: call(function, given(names))
        self.fail("expected a name or a value")

    def items(self, close: str) -> list[Function]:
        items: list[Function] = []
        while self.take(close) is None:
            items.append(self.either())
            if self.take(close):
                break
            self.need(",")
        return items


def _operation(sign: str, left: Function, right: Function) -> Function:
    return lambda names: arithmetic(sign, left(names), right(names))


def _list(items: Sequence[Function]) -> Function:
    return lambda names: [item(names) for item in items]
