"""What the readers of other tools' files share: the sweep as it grows, and what they all draw."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from sweeper.errors import SpecError, UsageError
from sweeper.sweepfile import function_or_script
from sweeper.sweepfile.trials_file import read_text
from sweeper.sweepfile.yaml12 import parse

_MOST = 100_000  # values of one parameter
_KINDS = {
    "uniform": "uniform",
    "loguniform": "log_uniform_values",
    "quniform": "q_uniform",
    "qloguniform": "q_log_uniform_values",
    "normal": "normal",
    "qnormal": "q_normal",
    "lognormal": "log_normal",
    "qlognormal": "q_log_normal",
}


class Converting:
    """A sweep on its way: ``document`` without parameters, ``notes``, and what is ``refused``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}
        self.notes: list[str] = []
        self.refused: list[str] = []

    def data(self, path: Path | None = None) -> Any:
        """What the file, YAML or JSON, holds."""
        document = parse(read_text(path or self.path), str(path or self.path))
        if document.problems:
            raise SpecError(document.problems)
        return document.data

    def program(self) -> ast.Module:
        """The syntax tree of the file, which is a Python program."""
        tree = function_or_script.parse(read_text(self.path).encode())
        if tree is None:
            raise UsageError(f"{self.path}: expected a Python program")
        return tree

    def mapping(self) -> dict[str, Any]:
        """What the file holds, which is a mapping."""
        data = self.data()
        if not isinstance(data, dict):
            raise UsageError(f"{self.path}: expected a mapping of keys")
        return data

    def put(self, path: Sequence[str], body: Mapping[str, Any]) -> None:
        """Add a parameter, below groups where ``path`` has several names."""
        level: Any = self.parameters
        for part in path[:-1]:
            level = level.setdefault(part, {"parameters": {}}).get("parameters")
            if level is None:
                break
        if level is None or level.setdefault(path[-1], dict(body)) != body:
            self.refused.append(f"{'.'.join(path)}: is another one elsewhere")

    def draw(self, path: Sequence[str], kind: str, given: Sequence[Any]) -> None:
        """Add a parameter that is drawn as NNI, Ray Tune and seml all have it."""
        name = ".".join(path)
        shown = f"{name}: {kind} {list(given)}"
        if kind == "choice" and not any(isinstance(one, dict) for one in given):
            self.put(path, {"values": list(given)})
        elif kind == "randint" and len(given) == 2:  # without its upper end
            self.put(path, {"distribution": "int_uniform", "min": given[0], "max": given[1] - 1})
        elif kind in _KINDS and len(given) == 2 + kind.startswith("q"):
            ends = ("mu", "sigma") if kind.endswith("normal") else ("min", "max")
            body = {"distribution": _KINDS[kind], **dict(zip(ends, given, strict=False))}
            if kind.startswith("q"):
                body["q"] = given[2]
                if ends[0] == "min" and any(exact(end) % exact(given[2]) for end in given[:2]):
                    self.refused.append(f"{shown}: an end that is no multiple of {given[2]}")
            self.put(path, body)
        else:
            self.refused.append(shown)

    def run(self, text: Any) -> None:
        """Set the command, which their tool gives to a shell."""
        plain = re.fullmatch(r"[\w\s./:=,@%+'\"-]*", text) and "=" not in text.split()[0]
        self.document["command"] = shlex.split(text) if plain else ["/bin/sh", "-c", text]

    def aim(self, name: str, maximize: bool) -> None:
        self.document["metric"] = {"name": name, "goal": "maximize" if maximize else "minimize"}

    def take(self, data: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        """Set what the file says under another key, if it does: theirs -> ours."""
        self.document.update({ours: data[key] for key, ours in keys.items() if data.get(key)})

    def leave(self, data: Mapping[str, Any], known: Iterable[str], where: str = "") -> None:
        """Note every key that is not ``known``."""
        self.notes += [f"{where}{key}: is not converted" for key in data if key not in known]


def exact(number: Any) -> Decimal:
    return Decimal(str(number))


def steps(start: Any, stop: Any, step: Any, *, last: bool) -> list[Any]:
    """start, start + step … before ``stop``, and with ``last`` up to it; whole where all are."""
    whole = all(isinstance(one, int) for one in (start, stop, step))
    first, end, by = exact(start), exact(stop), exact(step)
    count = int((end - first) / by) + 1
    if count > _MOST:
        raise ValueError(f"{count:,} values are too many")
    found = [first + number * by for number in range(max(0, count))]
    if found and not last and found[-1] == end:
        found.pop()
    return [int(one) if whole else float(one) for one in found]


def evenly(start: Any, stop: Any, count: int) -> list[float]:
    """``count`` numbers from ``start`` to ``stop``, both ends included."""
    first, last = exact(start), exact(stop)
    if count > _MOST:
        raise ValueError(f"{count:,} values are too many")
    return [float(first + (last - first) * number / (count - 1)) for number in range(count)]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a Python file in order, under the last part of its name."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
        yield ast.unparse(node.func).rpartition(".")[2], node


def arguments(call: ast.Call, names: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments of a call by their names. Raises ValueError where one is no literal."""
    words = {word.arg: word.value for word in call.keywords}
    if len(call.args) > len(names) or None in words:
        raise ValueError(ast.unparse(call))
    given: dict[Any, ast.expr] = {**dict(zip(names, call.args, strict=False)), **words}
    return {name: ast.literal_eval(value) for name, value in given.items()}
