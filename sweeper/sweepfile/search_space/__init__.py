"""What of a sweep file becomes the search space: parameters, conditions, constraints, ``zip``."""

from .build import build_space
from .parameter_keys import PARAMETER_KEYS, WHEN, parameter_schema
from .parameters import dotted_names, find_place
