"""YAML 1.2 with the place of every value kept: read, explained where it is broken, written."""

from .document import MOST_PROBLEMS, Document, KeyPath, Place, key_text
from .read import DEEPEST, parse, reads_as_text
from .write import to_yaml
