"""A search space: parameters expand into parameter dicts, lazily and the same way every time.

Pure: nothing here knows a sweep file, the tree, Ray, TensorFlow or Keras.
"""

from .axes import Axis, Condition, Parameter
from .canonical import canonical_json, run_seed, value_key
from .corner_points import corners
from .distributions import LARGEST, MOST_DIGITS, Distribution
from .evaluation import CannotEvaluate
from .expressions import Expression
from .given_points import place
from .grammar import ExpressionError, Names
from .kinds import BOUNDED, GRID_KINDS, INFERRED_KINDS, KINDS, VALUE_KINDS
from .nested_dicts import PathMap, flatten, get, has, leaves, merge, paths, put
from .random_draws import NothingAllowed, draw
from .satisfiable import draws, is_empty, outcomes, values_in_words
from .sequences import count_of
from .space import Space
from .walks import walk
