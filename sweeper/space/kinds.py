"""The kinds of distribution in W&B's sweep language, and the keys that each of them takes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """The keys that a kind needs, and those that it may have, with their defaults."""

    required: tuple[str, ...]
    optional: dict[str, Any]


BOUNDED = (
    "uniform",
    "q_uniform",
    "int_uniform",
    "log_uniform",
    "log_uniform_values",
    "q_log_uniform",
    "q_log_uniform_values",
    "inv_log_uniform",
    "inv_log_uniform_values",
)
KINDS: dict[str, Kind] = {
    "constant": Kind(("value",), {}),
    "categorical": Kind(("values",), {}),
    "categorical_w_probabilities": Kind(("values", "probabilities"), {}),
    **{kind: Kind(("min", "max"), {"q": 1} if kind.startswith("q_") else {}) for kind in BOUNDED},
    "normal": Kind((), {"mu": 0, "sigma": 1}),
    "q_normal": Kind((), {"mu": 0, "sigma": 1, "q": 1}),
    "log_normal": Kind((), {"mu": 0, "sigma": 1}),
    "q_log_normal": Kind((), {"mu": 0, "sigma": 1, "q": 1}),
    "beta": Kind((), {"a": 1, "b": 1}),
    "q_beta": Kind((), {"a": 1, "b": 1, "q": 1}),
}
GRID_KINDS = ("constant", "categorical", "int_uniform", "q_uniform")
# Those given by values rather than by numbers.
VALUE_KINDS = ("constant", "categorical_w_probabilities", "categorical")
# Those that need no `distribution`: the first whose required keys are all there.
INFERRED_KINDS = (*VALUE_KINDS, "int_uniform", "uniform")
