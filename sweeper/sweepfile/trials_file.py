"""Files of parameters: what ``base`` and ``trials`` name, read in their place; lists of trials as
``plan --save-trials`` writes them.
"""

from __future__ import annotations

import csv
import io
import json
import os.path
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.space import LARGEST, leaves
from sweeper.wording import all_of, did_you_mean

from .problems import Problems
from .program import find_file, names_beside
from .yaml12 import DEEPEST, parse, reads_as_text, to_yaml

MOST_BYTES = 64 << 20

FORMATS = (".csv", ".json", ".yaml", ".yml")
# Cells that need no YAML parser.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[-+][0-9]{1,2})?\Z")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_DOT = re.compile(r"(?<!\\)\.")


def inline_base(problems: Problems, data: dict[str, Any], sweep_file: Path) -> None:
    """Make ``base`` a mapping, if it is there."""
    raw = data.get("base")
    if "base" not in data or isinstance(raw, dict):
        return
    found = None
    if isinstance(raw, str):
        found = _read(problems, "base", raw, sweep_file, read_params)
        data["base"] = found or {}
    else:
        problems.expected(("base",), "a JSON or YAML file, or a mapping", raw)
    problems.base_is_unread = found is None


def inline_trials(
    problems: Problems, data: dict[str, Any], method: str | None, sweep_file: Path
) -> list[Any] | None:
    """The dicts of ``method: list``; None if there are none."""
    raw = data.get("trials")
    if "trials" not in data:
        if method == "list":
            problems.add(
                ("method",),
                "`method: list` needs `trials`",
                "a list of parameter dicts, or a file",
            )
        return None
    if method is not None and method != "list":
        problems.add(
            ("trials",),
            f"`trials` has no meaning in `method: {method}`",
            "use `method: list`",
            on_key=True,
        )
        return None
    if isinstance(raw, str):
        raw = _read(problems, "trials", raw, sweep_file, read_rows)
        if raw is None:
            return None
    what = "a list of parameter dicts, or a file"
    data["trials"] = raw = problems.items(("trials",), what, raw)
    return raw or None


def _read(
    problems: Problems, key: str, name: str, sweep_file: Path, read: Callable[[Path], Any]
) -> Any:
    """What the file holds that stands at ``key``: beside the sweep file, or in the current
    directory; None, and a complaint, if it cannot be read.
    """
    if problems.is_stored:
        problems.add((key,), f"a stored sweep is whole and takes no file, found {name!r}")
        return None
    place = find_file(name, sweep_file.parent)
    if not os.path.isfile(place):  # nor a FIFO or a device, which would be waited for
        problems.add((key,), f"there is no file {place}", _mend(place, sweep_file))
        return None
    try:
        return read(place)
    except UsageError as error:
        problems.add((key,), str(error))
        return None


def _mend(missing: Path, sweep_file: Path) -> str:
    """Which file may be meant instead of a missing one."""
    names = names_beside(missing)
    if hint := did_you_mean(missing.name, names):
        return hint
    files = sorted(file for file in names if Path(file).suffix in FORMATS)
    files = [file for file in files if file != sweep_file.name][:6]
    if files:
        return f"beside it there {'are' if len(files) > 1 else 'is'} {all_of(files)}"
    return "name a file beside the sweep file"


def read_data(path: Path, nan_is_null: bool = False) -> Any:
    """The JSON or YAML in ``path``. Raises UsageError, with the place of what is wrong.

    Not with its text: a sweep file from elsewhere may name any file of its reader. NaN and
    infinity, as Python writes them into JSON, are an error unless ``nan_is_null``.
    """
    text = read_text(path)
    if path.suffix.lower() == ".json":
        try:
            constant = (lambda name: None) if nan_is_null else _no_constant
            data = json.loads(text, parse_constant=constant, object_pairs_hook=_no_duplicates)
            _check_json(data)
            return data
        except json.JSONDecodeError as error:
            raise UsageError(
                f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}: {error}") from error
    document = parse(text, str(path))
    if document.problems:
        places = dict.fromkeys((p.line, p.column) for p in document.problems[:5])
        raise UsageError("; ".join(f"{path}:{n}:{at}: not valid YAML" for n, at in places))
    return document.data


def read_text(path: Path) -> str:
    """The text of a file. Raises UsageError."""
    try:
        return read_file(path).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file that parameters are read from. Raises UsageError, OSError."""
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        what = f"at most {MOST_BYTES >> 20} MB of text"
        raise UsageError(f"{path}: expected {what}, found more; is it another file?")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number: parameters are finite")


def _check_json(data: Any) -> None:
    """Raise ValueError for what YAML would not be read with: numbers and depths beyond reason."""
    todo = [(data, 0)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, (int, float)) and not abs(item) <= LARGEST:
            raise ValueError(f"expected numbers of at most {LARGEST:.1e}, found a larger one")
        if depth > DEEPEST:
            raise ValueError(f"the file nests more than {DEEPEST} levels deep")
        if isinstance(item, (dict, list)):
            items = item.values() if isinstance(item, dict) else item
            todo += [(one, depth + 1) for one in items]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def read_params(path: Path) -> dict[str, Any]:
    """The parameter dict in a JSON or YAML file; see :func:`read_data`."""
    data = read_data(path)
    if not isinstance(data, dict):  # which is not shown: who names the path may be a stranger
        raise UsageError(f"{path}: expected a parameter dict, found a {type(data).__name__}")
    return data


def read_rows(path: Path, nan_is_null: bool = False) -> list[Any]:
    """The dicts in a ``.csv``, ``.json`` or ``.yaml`` file; see :func:`read_data`."""
    if path.suffix.lower() == ".csv":
        return list(_read_csv(path))
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: expected a name ending in {', '.join(FORMATS)}")
    data = read_data(path, nan_is_null)
    if isinstance(data, dict) and isinstance(data.get("trials"), list):
        data = data["trials"]
    if not isinstance(data, list):
        what = type(data).__name__
        raise UsageError(f"{path}: expected a list of parameter dicts, found a {what}")
    return data


def _read_csv(path: Path) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = next(rows, None)
        if not header or any(not name.strip() for name in header):
            raise UsageError(f"{path}:1: expected a header with the name of every column")
        if len(set(header)) < len(header):
            raise UsageError(f"{path}:1: a column's name stands twice in the header")
        paths = [split_header(name.strip()) for name in header]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"{path}:{rows.line_num}: expected {len(header)} cells, found {len(row)}"
                )
            yield _nested(paths, row, f"{path}:{rows.line_num}")
    except csv.Error as error:
        raise UsageError(f"{path}:{rows.line_num}: not valid CSV: {error}") from error


def _nested(paths: list[tuple[str, ...]], row: list[str], where: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for place, cell in zip(paths, row, strict=True):
        if cell == "":
            continue
        level = params
        for part in place[:-1]:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise UsageError(f"{where}: `{part}` is a value and a group at once")
        level[place[-1]] = cell_value(cell)
    return params


def cell_value(cell: str) -> Any:
    """A cell as YAML 1.2 reads it, or as text where that is no value."""
    if _NUMBER.match(cell):
        return int(cell) if cell.lstrip("-").isdigit() else float(cell)
    if _WORD.match(cell) and reads_as_text(cell):
        return cell
    document = parse(cell)
    return cell if document.problems else document.data


def split_header(name: str) -> tuple[str, ...]:
    """``training.epochs`` is a path; a dot that belongs to a name is written ``\\.``."""
    return tuple(part.replace("\\.", ".").replace("\\\\", "\\") for part in _DOT.split(name))


def save_trials(path: Path, trials: Iterable[Mapping[str, Any]]) -> int:
    """Write parameter dicts as ``.csv``, ``.json`` or ``.yaml``; the number written.

    ``method: list`` with ``trials: FILE`` reads back the same dicts.
    """
    listed = [dict(params) for params in trials]
    suffix = path.suffix.lower()
    if suffix == ".json":
        text = json.dumps(listed, indent=1, ensure_ascii=False) + "\n"
    elif suffix in (".yaml", ".yml"):
        text = to_yaml(listed)
    elif suffix == ".csv":
        text = _csv_text(listed)
    else:
        raise UsageError(f"{path}: expected a name ending in {', '.join(FORMATS)}")
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    return len(listed)


def _csv_text(trials: list[dict[str, Any]]) -> str:
    rows = [{_header(path): _cell(v) for path, v in leaves(params)} for params in trials]
    header = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([row.get(name, "") for name in header])
    return file.getvalue()


def _header(path: tuple[str, ...]) -> str:
    """What :func:`split_header` takes back to ``path``."""
    return ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in path)


def _cell(value: Any) -> str:
    if not isinstance(value, str) or not value or value[0] in "=+-@":  # a formula is quoted
        return json.dumps(value, ensure_ascii=False)
    if reads_as_text(value) and cell_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
