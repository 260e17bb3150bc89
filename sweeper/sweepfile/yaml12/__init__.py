"""YAML 1.2 with the place of every value kept: read, explained where it is broken, written."""

from .document import Document, KeyPath, key_text
from .read import parse, parse_value, reads_as_text
from .write import dump_list, to_yaml

__all__ = [
    "Document",
    "KeyPath",
    "dump_list",
    "key_text",
    "parse",
    "parse_value",
    "reads_as_text",
    "to_yaml",
]
