"""From a sweep file to a :class:`Sweep`, or to all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import SpecError, UsageError
from sweeper.metric_goals import mode_of
from sweeper.wording import nearest, one_of

from . import directories, given_points, values
from .early_terminate import POPULATIONS, parse_early_terminate
from .monitored import default_monitored, parse_monitored
from .overrides import apply_overrides
from .problems import Problems
from .program import Program, parse_program
from .rules import is_number
from .search_space import build_space
from .sweep import (
    ADAPTIVE_METHODS,
    SEVERAL_GOALS,
    Budget,
    Metric,
    Resources,
    Retry,
    Sweep,
)
from .trials_file import inline_base, inline_trials, read_file
from .yaml12 import Document, parse

_EVERYBODYS_NAMES = ("config", "sweep", "sweeps")
_PLAIN = ("seed", "isolation", "hook", "cwd", "tensorboard")  # that their rules alone check
# The options of `launch` that stand for keys of the file.
_CHANGES = {
    "name": ("name",),
    "sweep_name": ("sweep_name",),
    "storage": ("storage",),
    "seed": ("seed",),
    "max_trials": ("run_cap",),
    "parallel": ("parallel",),
    "cpus_per_trial": ("resources", "cpu"),
    "gpus_per_trial": ("resources", "gpu"),
}


def load_sweep(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    stored: bool = False,
    text: str | None = None,
    **changes: Any,
) -> Sweep:
    """Read and validate a sweep file, or its ``text`` that a program at ``path`` has given.

    ``overrides`` (``"parameters.lr.max=0.1"``) edit the file before it is validated; ``changes``
    are options with the same effect: ``name``, ``sweep_name``, ``storage``, ``seed``,
    ``max_trials`` (→ ``run_cap``), ``parallel``, ``cpus_per_trial``, ``gpus_per_trial``; None
    leaves the file's value. A ``stored`` one, which may be a stranger's, takes no other file.

    Raises UsageError if the file cannot be read, SpecError with every problem if it is invalid. The
    program need not exist: see :func:`sweeper.sweepfile.check_program`.
    """
    path = Path(path)
    document = parse(_text(path), str(path)) if text is None else parse(text, f"{path}: its sweep")
    problems = Problems(document)
    if document.data is None and not problems.found:
        problems.add((), "the file is empty", "a sweep file needs `method` and `parameters`")
    elif not isinstance(document.data, dict) and not problems.found:
        mend = "a sweep file holds keys, such as `method: random` and `parameters:`"
        problems.expected((), "a mapping of keys", document.data, mend)
    if not isinstance(document.data, dict) or document.is_hopeless:
        problems.stop_on_problems()
    problems.is_stored = stored
    return _Loading(path.absolute(), document, problems).sweep(overrides, changes)


_PROGRAM = "a program: name it in one, `program: {}`"
_OTHERS = {
    ".py": _PROGRAM,
    ".sh": _PROGRAM,
    ".ipynb": "a notebook: save it as a script, which a sweep file can name",
    ".csv": "a table: name it in one, `trials: {}`",
}  # what else is given as one, by its ending


def _text(path: Path) -> str:
    try:
        data = read_file(path)
    except FileNotFoundError:
        files = [p.name for p in path.parent.glob("*.y*ml") if p.is_file()]
        close = nearest(path.name, files)
        hint = f": did you mean {path.parent / close[0]}?" if close else ""
        raise UsageError(f"{path}: there is no such file{hint}") from None
    except IsADirectoryError:
        files = sorted(p.name for p in path.glob("*.y*ml"))
        hint = f": did you mean {path / files[0]}?" if files else ""
        raise UsageError(f"{path}: expected a sweep file, found a directory{hint}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if what := _OTHERS.get(path.suffix):
        raise UsageError(
            f"{path}: expected a sweep file (YAML), found {what.format(path.name)}; "
            "`sweeper init` writes a sweep file to start from"
        )
    is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in data and not is_utf16:
        raise UsageError(f"{path}: expected a sweep file (YAML), found a file that is no text")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        start = data.rfind(b"\n", 0, error.start) + 1
        column = len(data[start : error.start].decode()) + 1
        text = data.decode("utf-16" if is_utf16 else "utf-8", "replace")
        document = Document(str(path), text.split("\n"))
        what = f"not UTF-8 text (byte {data[error.start]:#04x})"
        what = "the file is UTF-16 text" if is_utf16 else what
        problem = document.problem((line, column), what, mend="save it as UTF-8")
        raise SpecError([problem]) from None


class _Loading:
    """One file on its way to a sweep."""

    def __init__(self, path: Path, document: Document, problems: Problems) -> None:
        self.path, self.document, self.problems = path, document, problems
        self.data: dict[str, Any] = document.data

    def sweep(self, overrides: Sequence[str], changes: dict[str, Any]) -> Sweep:
        early = [text for text in overrides if text.partition("=")[0].strip() in ("base", "trials")]
        self.problems.is_stored &= not early  # who reads it names the file
        apply_overrides(self.document, self.problems, early)
        inline_base(self.problems, self.data, self.path)
        apply_overrides(self.document, self.problems, [o for o in overrides if o not in early])
        self.apply(changes)
        problems, data = self.problems, self.data
        values.top_level(problems, data)
        command = self.given("command", values.command, None)
        method, method_options = values.method(problems, data)
        base = data["base"] if "base" in data and not problems.base_is_unread else None
        trials = inline_trials(problems, data, method, self.path)
        built = build_space(problems, data, method, base, trials)
        metric = values.metric(problems, data["metric"]) if "metric" in data else None
        if "metrics" in data:
            metric = values.metrics(problems, data["metrics"])
        early_terminate = self.given("early_terminate", parse_early_terminate, None)
        self.need_metric(method, metric)
        program = self.program()
        others = self.values(method)
        self.check_monitor(metric, others["checkpoint"])
        monitored = default_monitored(built.example, built.varying, built.conditional)
        if "monitored" in data and not problems.base_is_unread:
            monitored = parse_monitored(
                problems, data["monitored"], built.example, built.conditional
            )
        enqueue: tuple[dict[str, Any], ...] = ()
        if "enqueue" in data:
            enqueue = given_points.enqueue(
                problems, data["enqueue"], method, built.space, others["seed"] or 0
            )
        warm_start: tuple[str, ...] = ()
        if "warm_start" in data:
            warm_start = given_points.warm_start(problems, data["warm_start"], method, self.path)
            data["warm_start"] = list(warm_start)
        problems.stop_on_problems()
        assert built.space is not None
        return Sweep(
            path=self.path,
            program=program,
            command=command,
            method=str(method),
            method_options=method_options,
            enqueue=enqueue,
            warm_start=warm_start,
            metric=metric,
            monitored=monitored,
            early_terminate=early_terminate,
            space=built.space,
            description=str(data["description"]) if data.get("description") else None,
            warnings=tuple(problems.warnings),
            document=self.resolved(program, others),
            places=self.places(),
            **others,
        )

    def apply(self, changes: dict[str, Any]) -> None:
        for option, value in changes.items():
            if option not in _CHANGES:
                raise TypeError(f"load_sweep() has no option {option!r}")
            if value is None:
                continue
            *above, last = _CHANGES[option]
            level = self.data
            for key in above:
                if not isinstance(level.get(key), dict):
                    level[key] = {}
                level = level[key]
            if option == "max_trials" and level.get(last) is not None:
                # At most as many as the file allows, which is judged as it stands.
                written = level[last]
                if not is_number(written) or written <= value or written != int(written):
                    continue
            level[last] = str(value) if isinstance(value, Path) else value
            self.problems.options.add(_CHANGES[option])

    def need_metric(self, method: str | None, metric: Metric | None) -> None:
        data = self.data
        if "metrics" in data:
            self.allow_several(method, metric)
            return
        if "metric" in data:  # where it is empty that was complained about
            return
        example = "for example `metric: {name: val_loss, goal: minimize}`"
        if method in ADAPTIVE_METHODS:
            self.problems.add(("method",), f"`method: {method}` needs `metric`", example)
        elif isinstance(data.get("repeats"), dict) and data["repeats"].get("race") is True:
            self.problems.add(("repeats",), "a race needs `metric`", example, on_key=True)
        elif data.get("early_terminate") is not None:
            self.problems.add(
                ("early_terminate",), "`early_terminate` needs `metric`", example, on_key=True
            )

    def allow_several(self, method: str | None, metric: Metric | None) -> None:
        """Refuse what knows one goal alone."""
        add, early = self.problems.add, self.data.get("early_terminate")
        if "metric" in self.data:
            add(("metrics",), "`metric` is given, too", "keep one of the two", on_key=True)
        if metric is None or not (metric.others or metric.limits):
            return
        if self.data.get("warm_start") is not None:
            what = "what `warm_start` reads has one metric, and `metrics` asks for several"
            add(("warm_start",), what, "remove it, or name one goal as `metric`", on_key=True)
        repeats = self.data.get("repeats")
        if isinstance(repeats, dict) and repeats.get("race") is True:
            what = "a race is run for one goal, without limits"
            add(("repeats", "race"), what, "remove it, or name one goal as `metric`", on_key=True)
        if method in ADAPTIVE_METHODS and method not in SEVERAL_GOALS:
            what = f"`method: {method}` searches for one goal, without limits"
            add(("method",), what, f"choose {one_of(SEVERAL_GOALS)}")
        makes_trials = isinstance(early, dict) and early.get("type") in POPULATIONS
        if early is not None and (metric.others or makes_trials):
            what = "`early_terminate` judges by one goal, and what it stops may be good in another"
            mend = "remove it, or give all metrics but one a `max` or `min` in place of a `goal`"
            if not metric.others:
                what, mend = "its trials are bred for one goal, without limits", "remove `metrics`"
            add(("early_terminate",), what, mend, on_key=True)

    def check_monitor(self, metric: Metric | None, checkpoint: dict[str, Any]) -> None:
        monitor = checkpoint.get("monitor")
        if monitor is None or checkpoint.get("mode") or (metric and metric.name == monitor):
            return
        if mode_of(str(monitor)) is None:
            self.problems.add(
                ("checkpoint", "monitor"),
                f"nothing says whether more or less of `{monitor}` is better",
                "add `mode: max` or `mode: min` to `checkpoint`",
            )

    def program(self) -> Program | None:
        raw = self.data.get("program")
        if raw is None:
            return None
        if not isinstance(raw, str) or not raw.strip():
            example = "for example `program: train.py`"
            self.problems.expected(("program",), "a file or a dotted module", raw, example)
            return None
        try:
            has_command = bool(self.data.get("command"))
            return parse_program(raw.strip(), self.path.parent, has_command=has_command)
        except ValueError as error:
            self.problems.add(
                ("program",), f"expected a file or a dotted module, found {raw!r}: {error}"
            )
            return None

    def values(self, method: str | None) -> dict[str, Any]:
        """The keys that stand alone."""
        problems, data = self.problems, self.data
        names: dict[str, str | None] = dict.fromkeys(("name", "sweep_name"), self.default_name())
        for key in names:
            if key in data:
                names[key] = directories.directory_name(problems, data[key], (key,))
        order = values.plain(problems, data, "order")
        if order == "shuffle" and method not in ("grid", "list"):
            problems.add(
                ("order",),
                f"`order: shuffle` has no meaning in `method: {method}`",
                "remove it",
            )
        has_cap = data.get("run_cap") is not None
        repeats, race = self.given("repeats", values.repeats, (1, False))
        return {
            **names,
            **{key: values.plain(problems, data, key) for key in _PLAIN},
            "run_cap": values.plain(problems, data, "run_cap") if has_cap else None,
            "repeats": repeats,
            "race": race,
            "order": order,
            "resources": self.given("resources", values.resources, Resources()),
            "link": directories.links(problems, data.get("link"), data.get("cwd") == "run"),
            "parallel": values.parallel(problems, data.get("parallel")),
            "storage": directories.storage(problems, data.get("storage")),
            "retry": self.given("retry", values.retry, Retry()),
            "checkpoint": self.given("checkpoint", values.checkpoint, {}),
            "notify": self.given("notify", values.notify, None),
            "budget": self.given("budget", values.budget, Budget()),
            "slurm": self.given("slurm", values.slurm, {}),
        }

    def default_name(self) -> str:
        """The file's stem; where that is every project's, with its folder's name before it."""
        stem, folder = self.path.stem, self.path.parent.name
        return f"{folder}-{stem}" if folder and stem.lower() in _EVERYBODYS_NAMES else stem

    def given(self, key: str, read: Any, default: Any) -> Any:
        return read(self.problems, self.data[key]) if self.data.get(key) is not None else default

    def places(self) -> dict[str, tuple[int, int, str]]:
        """Where the values of the top-level keys stand, for what is judged before a launch."""
        found = {}
        for key in self.data:
            where = self.document.place_of((key,))
            if where and (key,) not in self.problems.options:
                place = where[key != "parameters"]
                found[key] = (*place, self.document.source(place))
        return found

    def resolved(self, program: Program | None, others: dict[str, Any]) -> dict[str, Any]:
        """The document with everything in it that it took from its surroundings."""
        names = {key: others[key] for key in ("name", "sweep_name")}
        resolved = {**names, **self.data, **names}
        if program is not None:
            resolved["program"] = program.text
        storage = store.named(others["storage"])
        return {**resolved, "storage": storage, "seed": others["seed"]}
