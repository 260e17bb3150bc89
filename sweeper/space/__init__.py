"""A search space: parameters expand into parameter dicts, lazily and the same way every time.

Pure: nothing here knows a sweep file, the tree, Ray, TensorFlow or Keras.
"""

from .assemble import get, has, put
from .axes import Axis, columns_of, count_of
from .canonical import encode, run_seed, value_key
from .corner_points import corners
from .distributions import BOUNDED, GRID_KINDS, KINDS, LARGEST, Distribution
from .draws import NothingAllowed, draw
from .expressions import CannotEvaluate, Expression
from .grammar import ExpressionError
from .parameter import Parameter
from .satisfiable import DRAWS, has_a_point, is_empty, outcomes, overlap, values_in_words
from .space import Space, merge
from .walks import walk

__all__ = [
    "BOUNDED",
    "DRAWS",
    "GRID_KINDS",
    "KINDS",
    "LARGEST",
    "Axis",
    "CannotEvaluate",
    "Distribution",
    "Expression",
    "ExpressionError",
    "NothingAllowed",
    "Parameter",
    "Space",
    "columns_of",
    "corners",
    "count_of",
    "draw",
    "encode",
    "get",
    "has",
    "has_a_point",
    "is_empty",
    "merge",
    "outcomes",
    "overlap",
    "put",
    "run_seed",
    "value_key",
    "values_in_words",
    "walk",
]
