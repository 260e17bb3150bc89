"""The small language of `when` and `constraints`: what it means, and that it is safe."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.space import CannotEvaluate, Expression, ExpressionError

PARAMS: dict[str, Any] = {
    "lr": 0.1,
    "opt": "sgd",
    "layers": [32, 64],
    "model": {"conv_0": 16, "conv_1": 32, "learning-rate": 0.5, "none": None},
    "a-b": 7,
    "in": 3,
    "x y": 1,
    "max": 5,
    "flag": True,
}
KNOWN: dict[str, tuple[str, ...]] = {name: (name,) for name in PARAMS}
KNOWN |= {f"model.{name}": ("model", name) for name in PARAMS["model"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lr == 0.1", True),
        ("lr < 1e-1", False),
        ("lr <= 1e-1", True),
        ("opt == 'sgd'", True),
        ('opt != "sgd"', False),
        ("opt in ['adam', 'sgd']", True),
        ("opt not in ('adam', 'sgd')", False),
        ("64 in layers", True),
        ("len(layers) == 2", True),
        ("len(opt) * 2 - 1 == 5", True),
        ("model.conv_1 >= model.conv_0", True),
        ("16 <= model.conv_0 < model.conv_1 <= 32", True),
        ("16 < model.conv_0 < model.conv_1", False),
        ("not flag or opt == 'sgd' and lr > 1", False),
        ("not (flag and lr > 1)", True),
        ("not not flag", True),
        ("model.learning-rate == 0.5", True),
        ("model.conv_1-model.conv_0 == 16", True),
        ("a-b == 7", True),
        ("`a-b` - 1 == 6", True),
        ("`in` == 3", True),
        ("`x y` == 1", True),
        ("max == 5", True),
        ("max(model.conv_0, 3, max) == 16", True),
        ("min(layers) == 32", True),
        ("abs(-lr) == 0.1", True),
        ("-lr < 0", True),
        ("2 + 3 * 4 == 14 and lr > 0", True),
        ("2 ** 3 ** 2 == 512 and lr > 0", True),
        ("-2 ** 2 == -4 and lr > 0", True),
        ("7 // 2 == 3 and 7 % 4 == 3 and lr / 2 == 0.05", True),
        ("model.none == null and model.none == None", True),
        ("flag == true", True),
        ("'it\\'s' == opt", False),
        ("1_000 > lr", True),
    ],
)
def test_an_expression_means_what_it_says(text: str, value: bool) -> None:
    assert Expression.parse(text, KNOWN).holds(PARAMS) is value


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("lr >", 4, "expected a name or a value, found the end"),
        ("lr = 1", 3, "unknown operator `=`"),
        ("lr > 1 && flag", 7, "unknown operator `&&`"),
        ("lrr > 1", 0, "`lrr` is no parameter"),
        ("model.conv_2 > 1", 0, "`model.conv_2` is no parameter"),
        ("conv_0 > 1", 0, "`conv_0` is no parameter"),
        ("__import__('os')", 0, "unknown function `__import__`"),
        ("lr.__class__ == 1", 0, "`lr.__class__` is no parameter"),
        ("(lr > 1", 7, "expected `)`"),
        ("lr > 1)", 6, "expected an operator"),
        ("lr flag", 3, "expected an operator"),
        ("[x for x in layers]", 1, "`x` is no parameter"),
        ("lambda: lr", 0, "`lambda` is no parameter"),
        ("lr > $", 5, "unexpected '$'"),
        ("'open > lr", 0, "unexpected"),
        ("1 > 2", 0, "it names no parameter"),
        ("abs(lr, 2) > 1", 0, "abs() takes one argument"),
        ("layers[0] > 1", 6, "expected an operator"),
        ("(" * 500 + "lr" + ")" * 500, 60, "nests too deeply"),
        ("2 ** " * 200 + "lr > 1", 300, "nests too deeply"),
    ],
)
def test_what_is_no_expression_is_said_with_its_place(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text, KNOWN)
    assert words in str(caught.value)
    assert abs(caught.value.column - column) <= 5


@pytest.mark.parametrize(
    "text",
    [
        *("opt > 1", "opt * 2 == 3", "lr / 0 > 1", "layers * 10 == 1", "len(lr) > 1"),
        *("9 ** 9 ** 9 ** 9 > lr", "layers + layers == 1", "(-1) ** 0.5 > lr", "min(lr) > 0"),
        "lr in opt",
    ],
)
def test_what_cannot_be_worked_out_names_the_values(text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(UsageError, match="cannot be evaluated"):
        Expression.parse(text, KNOWN).holds(PARAMS)
    assert time.monotonic() - begin < 1


def test_a_parameter_that_is_not_there_decides_nothing() -> None:
    expression = Expression.parse("opt == 'adam' or model.conv_1 > 3", KNOWN)
    assert expression.holds({"opt": "adam"}) is True
    assert expression.holds({"opt": "sgd"}) is False
    assert expression.holds({"opt": "sgd"}, missing=True) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a > 'x'", "the number 0 cannot be compared with the string"),
        ("1 / a > 0", "1 / 0 divides by zero"),
        ("a ** -1 > 0", "divides by zero"),
        ("9 ** 9 ** 9 ** b > 1", "is too large"),
        ("10 ** 400 * b > 1", "is too large"),
        ("(-8) ** 0.5 > a", "is no real number"),
        ("len(a) > 1", "len() cannot take the number 0"),
        ("max(a) > 1", "max() cannot take the number 0"),
        ("abs(t) > 1", 'abs() cannot take the string "x"'),
        ("min(a, t) > 1", "min() cannot take the number 0 and the string"),
        ("b in a", "the number 1 cannot be in the number 0"),
        ("a in t", 'the number 0 cannot be in the string "x"'),
        ("t + 1 > 0", 'expected a number, found the string "x"'),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_words(text: str, words: str) -> None:
    params = {"a": 0, "b": 1, "t": "x"}
    with pytest.raises(CannotEvaluate) as caught:
        Expression.parse(text, {name: (name,) for name in params}).holds(params)
    assert words in str(caught.value)
    assert caught.value.mend
