"""Reading YAML 1.2 with the place of everything kept.

PyYAML speaks YAML 1.1: it reads ``1e-4`` as a string, ``no`` as False, ``12:30:00`` as 45000,
``010`` as 8, and takes the last of two equal keys. Here numbers and booleans are those of YAML
1.2's core schema (and ``1_000``, as PyYAML has it, is a number), equal keys are refused, and every
value knows its line and column. Only JSON's types come out: no dates, no sets, no objects.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from typing import Any

import yaml

from sweeper.space import LARGEST, MOST_DIGITS
from sweeper.wording import shortened

from .document import Document, KeyPath, Place
from .explain import explain

_TAG = "tag:yaml.org,2002:"
_LINES = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_INT = r"[-+]?[0-9]+(?:_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = (
    r"[-+]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_PLAIN = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(rf"(?:{_INT})\Z"), list("-+0123456789")),
    ("float", re.compile(rf"(?:{_FLOAT})\Z"), list("-+0123456789.")),
    ("merge", re.compile(r"<<\Z"), ["<"]),
)
# Aliases may repeat a node; a file whose aliases blow up beyond this is an attack, not a sweep.
_MOST_NODES_FROM_ALIASES = 50_000
DEEPEST = 100
_LONGEST_TO_EXPLAIN = 50_000  # characters: the slow loader reads some 50,000 a second
_INDENTED = re.compile(r"^[ ?-]{30}", re.M)


class PythonLoader(yaml.SafeLoader):
    """The slow loader: its complaints are the same on every machine.

    It stops at every tab between tokens, libyaml's at few: here they are noted and passed over.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tabs: list[Place] = []

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.peek() == "\t" and not self._indents():
            self.tabs.append((self.line + 1, self.column + 1))
            self.forward()
            super().scan_to_next_token()

    def _indents(self) -> bool:
        """Whether nothing stands before it on its line."""
        if self.tabs and self.tabs[-1][0] == self.line + 1:
            return False
        return not self.buffer[self.pointer - self.column : self.pointer].strip()


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml's loader where there is one."""


for _loader in (PythonLoader, Loader):
    _loader.yaml_implicit_resolvers = {}
    for _name, _pattern, _first in _PLAIN:
        _loader.add_implicit_resolver(_TAG + _name, _pattern, _first)


def reads_as_text(text: str) -> bool:
    """Whether ``text``, written plainly, would be read back as a string here and by YAML 1.1."""
    if any(pattern.match(text) for _, pattern, _ in _PLAIN) or text in _YAML11_ALONE:
        return False
    return bool(_YAML11.resolve(yaml.ScalarNode, text, (True, False)) == _TAG + "str")


_YAML11: Any = yaml.resolver.Resolver()
_YAML11_ALONE = ("y", "Y", "n", "N")  # booleans to other readers than PyYAML


def parse(text: str, name: str = "") -> Document:
    """Read one YAML document; complaints, of ``name``, are in ``.problems``, never raised."""
    text = text.removeprefix("\ufeff")
    document = Document(name, _LINES.split(text))
    try:
        if _nests_too_deeply(text):
            raise RecursionError
        node = yaml.compose(text, Loader=Loader)
    except RecursionError:
        document.problem((1, 1), f"the file nests more than {DEEPEST} levels deep")
        return document
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, yaml.MarkedYAMLError) and len(text) > _LONGEST_TO_EXPLAIN:
            explain(error, document)
            return document
        mark = getattr(error, "problem_mark", None)
        node = _compose_slowly(text, document, mark.line + 1 if mark else 0)
    if node is not None:
        try:
            _Builder(document).build(node)
        except RecursionError:
            document.problem((1, 1), "the file nests too deeply")
    return document


def _nests_too_deeply(text: str) -> bool:
    """Whether building the nodes, which recurses in C, could exhaust the stack."""
    if text.count("[") + text.count("{") < 40 and not _INDENTED.search(text):
        return False
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return True
    return False


def _compose_slowly(text: str, document: Document, near: int = 0) -> yaml.Node | None:
    """The node, or a complaint; ``near`` is the line where the fast loader gave up: of the tabs,
    those that it lets pass are not what is wrong.
    """
    try:
        loader = PythonLoader(text)
        node = loader.get_single_node()
        if not loader.tabs:
            return node
        document.problem(
            next((place for place in loader.tabs if place[0] == near), loader.tabs[0]),
            "not valid YAML: a tab stands here",
            mend="replace the tab by a space: YAML separates with spaces only",
        )
    except yaml.reader.ReaderError as error:
        where = _LINES.split(text[: error.position])
        place = (len(where), len(where[-1]) + 1)
        code = text[error.position]
        document.problem(place, f"the character U+{ord(code):04X} is not allowed in YAML")
    except yaml.MarkedYAMLError as error:
        explain(error, document)
    except RecursionError:
        document.problem((1, 1), "the file nests too deeply")
    except (yaml.YAMLError, ValueError) as error:
        document.problem((1, 1), f"not valid YAML: {error}")
    return None


class _Builder:
    """Nodes to data. Keys must be strings: JSON, which stores the parameters, has no others."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.open: set[int] = set()
        self.seen: set[int] = set()
        self.repeated = 0

    def build(self, node: yaml.Node) -> None:
        self.document.places[()] = ((1, 1), self.place(node))
        self.document.data = self.value(node, ())

    @staticmethod
    def place(node: yaml.Node) -> Place:
        return (node.start_mark.line + 1, node.start_mark.column + 1)

    def value(self, node: Any, key: KeyPath) -> Any:
        if id(node) in self.seen:
            self.repeated += 1
            if self.repeated > _MOST_NODES_FROM_ALIASES:
                if self.repeated == _MOST_NODES_FROM_ALIASES + 1:
                    self.document.problem(
                        self.place(node),
                        "aliases multiply beyond reason",
                        key,
                        "aliases of aliases repeat all that they hold: write it out, or a file",
                    )
                    self.document.is_hopeless = True
                return None
        self.seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, key)
        if id(node) in self.open:
            self.document.unreadable(self.place(node), "an alias that contains itself", key)
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return self.sequence(node, key)
            return self.mapping(node, key)
        finally:
            self.open.discard(id(node))

    def sequence(self, node: yaml.SequenceNode, key: KeyPath) -> Any:
        if node.tag != _TAG + "seq":
            return self.odd_tag(node, key)
        marks = self.document.items[key] = array("L")
        for child in node.value:
            marks.extend(self.place(child))
        return [self.value(child, (*key, index)) for index, child in enumerate(node.value)]

    def mapping(self, node: yaml.MappingNode, key: KeyPath) -> Any:
        if node.tag != _TAG + "map":
            return self.odd_tag(node, key)
        first: dict[str, Place] = {}
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name_node, child in node.value:
            place = self.place(name_node)
            if name_node.tag == _TAG + "merge":
                if "<<" in first:
                    self.twice(place, "<<", first["<<"], key, "write `<<: [*one, *other]`")
                    continue
                first["<<"] = place
                for brought, value in self.merged(child, key):
                    merged.setdefault(brought, value)
                continue
            is_scalar = isinstance(name_node, yaml.ScalarNode)
            name: Any = self.scalar(name_node, key) if is_scalar else None
            if not isinstance(name, str):
                found = name_node.value if is_scalar else "a list or mapping"
                self.document.problem(
                    place,
                    f"expected a name, found {found!s}",
                    key,
                    f'names are strings: write "{found}":' if is_scalar else "",
                )
                continue
            if name in first:
                self.twice(place, name, first[name], key, "remove or rename one of the two")
                continue
            first[name] = place
            self.document.places[(*key, name)] = (place, self.place(child))
            own[name] = self.value(child, (*key, name))
        return {**merged, **own} if merged else own

    def twice(self, place: Place, name: str, before: Place, key: KeyPath, mend: str) -> None:
        what = f"`{name}` stands here and on line {before[0]}: a key may be given only once"
        self.document.problem(place, what, (*key, name), mend)

    def merged(self, node: yaml.Node, key: KeyPath) -> Iterator[tuple[str, Any]]:
        """What ``<<: *anchor`` brings; keys written beside it win, and earlier anchors win."""
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            for child in node.value:
                yield from self.merged(child, key)
        elif isinstance(node, yaml.MappingNode):
            brought = self.value(node, key)
            if isinstance(brought, dict):
                yield from brought.items()
        else:
            self.document.problem(self.place(node), "expected a mapping to merge with `<<`", key)

    def scalar(self, node: yaml.ScalarNode, key: KeyPath) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        try:
            if kind == "str":
                text.encode()
                return text
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind in ("int", "float"):
                return self.number(text, kind, node, key)
        except UnicodeEncodeError:
            self.document.unreadable(self.place(node), "half a surrogate pair is not text", key)
            return None
        except (KeyError, ValueError):
            what = f"expected {kind}, found {shortened(text)!r}"
            self.document.unreadable(self.place(node), what, key)
            return None
        if kind == "merge":
            return text
        return self.odd_tag(node, key)

    def number(self, text: str, kind: str, node: yaml.Node, key: KeyPath) -> float | None:
        digits = text.lower().replace("_", "")
        number: float = math.inf
        if kind == "float":
            number = float(digits.replace(".inf", "inf").replace(".nan", "nan"))
        elif len(digits) < 2 * MOST_DIGITS:
            number = int(digits, 0 if digits[:2] in ("0x", "0o") else 10)
        if abs(number) <= LARGEST:
            return number
        what = "a finite number"
        mend = "JSON, which stores the parameters, has neither infinity nor NaN"
        if kind == "int":
            what, mend = f"a number of at most {LARGEST:.1e}", "as text it may be longer: quote it"
        message = f"expected {what}, found {shortened(text)}"
        self.document.unreadable(self.place(node), message, key, mend)
        return None

    def odd_tag(self, node: yaml.Node, key: KeyPath) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self.document.unreadable(
            self.place(node),
            f"the tag {tag} is not read here",
            key,
            "only null, booleans, numbers, strings, lists and mappings are",
        )
