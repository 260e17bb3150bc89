"""NNI: a search space (JSON), or an experiment's configuration that has or names one.

https://nni.readthedocs.io/en/stable/hpo/search_space.html
"""

from __future__ import annotations

from typing import Any

from .converting import Converting

_METHODS = {"TPE": "tpe", "Random": "random", "GridSearch": "grid"}
_KNOWN = (
    *("searchSpace", "searchSpaceFile", "trialCommand", "trialConcurrency", "maxTrialNumber"),
    *("maxExperimentDuration", "tuner", "experimentName"),
)


def read(to: Converting) -> None:
    data = to.mapping()
    if all(isinstance(one, dict) and "_type" in one for one in data.values()):
        to.document["method"] = "random"
        to.notes.append("method: the search space names no tuner: random, choose another")
        _space(to, data)
        return
    space = data.get("searchSpace")
    if space is None and "searchSpaceFile" in data:
        space = to.data(to.path.parent / str(data["searchSpaceFile"]))
    tuner = data.get("tuner") or {}
    name = tuner.get("name", "Random")
    given = tuner.get("classArgs") or {}
    method = _METHODS.get(name, "bayes")
    if name not in _METHODS:
        to.notes.append(f"tuner: {name} becomes method: bayes")
    keys = {"experimentName": "name", "trialConcurrency": "parallel", "maxTrialNumber": "run_cap"}
    to.take(data, keys)
    to.document["method"] = method
    to.aim("default", given.get("optimize_mode") == "maximize")
    to.notes.append("metric: NNI's has no name: log or report it as `default`")
    if "trialCommand" in data:
        to.run(str(data["trialCommand"]))
        to.notes.append("command: instead of nni.get_next_parameter() call sweeper.params()")
    if "maxExperimentDuration" in data:
        to.document["budget"] = {"wall": data["maxExperimentDuration"]}
    to.leave(data, _KNOWN)
    to.leave(tuner, ("name", "classArgs"), "tuner.")
    to.leave(given, ("optimize_mode",), "tuner.classArgs.")
    _space(to, space or {})


def _space(to: Converting, space: dict[str, Any]) -> None:
    for name, one in space.items():
        kind, given = one.get("_type"), one.get("_value")
        if kind == "randint" and isinstance(given, list) and len(given) == 1:
            given = [0, *given]  # NNI's first releases
        to.draw([name], str(kind), given if isinstance(given, list) else [given])
