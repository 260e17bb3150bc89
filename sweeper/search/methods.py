"""The searcher of each `method` that has one, and whether its packages are installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep

from .dimensions import MOST_AXES, MOST_LEVELS
from .searcher import Searcher

# What a method's searcher imports beside Optuna and SciPy, and the package that has it; an extra of
# the method's name installs it.
PACKAGES = {
    "cmaes": ("cmaes", "cmaes"),
    "hyperopt": ("hyperopt", "hyperopt"),
    "ax": ("ax", "ax-platform"),
    "nevergrad": ("nevergrad", "nevergrad"),
}
UNUSABLE = {
    "bayesopt": (
        "its package, bayesian-optimization, knows neither conditions nor categories",
        "`method: gp`",
    ),
    "bohb": (
        "its library, HpBandSter, has had no release since 2018",
        "`method: bayes` together with `early_terminate: {type: bohb, max_iter: …}`",
    ),
    "hebo": (
        "HEBO cannot be installed beside this TensorFlow: HEBO 0.3.5 and 0.3.6 need numpy<1.25, "
        "TensorFlow numpy>=1.26; HEBO 0.3.2 needs pandas<2 and pymoo<0.6, and that pandas does not "
        "work with NumPy 2",
        "`method: bayes` or `gp`",
    ),
    "zoopt": (
        "its library, ZOOpt, has had no release since 2022",
        "`method: cmaes` or `bayes`",
    ),
}
"""Methods of other sweepers that no launch can have here: why, and what is nearest to them."""


def searcher_for(sweep: Sweep) -> Searcher:
    """The searcher of the sweep's method.

    Raises ``UsageError`` where a package that it needs is not installed, or cannot be used.
    """
    method, axes, seed = sweep.method, sweep.space.axes, sweep.seed
    options: dict[str, Any] = dict(sweep.method_options)
    if sweep.metric and (sweep.metric.others or sweep.metric.limits):
        options |= {"goals": len(sweep.metric.goals), "limits": len(sweep.metric.limits)}
    check_installed(method)
    try:
        if method == "qmc":
            from .sobol_searcher import SobolSearcher

            return SobolSearcher(len(axes), seed)
        if method in ("bayes", "gp"):
            options["levels"] = sweep.early_terminate is not None
            from .gp_searcher import BayesSearcher, GpSearcher

            kind = BayesSearcher if method == "bayes" else GpSearcher
            return kind(sweep.space, seed, **options)
        if method in ("tpe", "cmaes"):
            from .optuna_searcher import OptunaSearcher

            return OptunaSearcher(method, sweep.space, seed, **options)
        from .ray_searcher import RaySearcher

        return RaySearcher(method, len(axes), seed, trials=sweep.size() or 100)
    except Exception as error:
        if method not in PACKAGES:
            raise
        package = PACKAGES[method][1]
        raise UsageError(
            f"method: {method}: the installed {package} {importlib.metadata.version(package)} "
            f"cannot be used: {type(error).__name__}: {error}. "
            f"Install what is known to work: pip install 'sweeper[{method}]'"
        ) from error


def remarks(sweep: Sweep) -> list[str]:
    """What the method does instead, where a space is more than its model takes."""
    axes, method, said = sweep.space.axes, f"method: {sweep.method}", []
    if sweep.method == "bayes" and len(axes) > MOST_AXES:
        said.append(
            f"{method} is tpe from the first trial on: its Gaussian process takes {MOST_AXES} "
            f"parameters, and {len(axes)} vary"
        )
    for axis in axes if sweep.method in ("bayes", "gp", "tpe") else ():
        if axis.alternatives and axis.alternatives > MOST_LEVELS:
            said.append(
                f"{axis.name}: {method} takes {MOST_LEVELS:,} values apart, and of these "
                f"{axis.alternatives:,} sees the place in the list alone, as a number"
            )
    return said


def check_installed(method: str) -> None:
    """Raise ``UsageError`` where a package that the method needs is missing; imports none."""
    if method in UNUSABLE:
        why, instead = UNUSABLE[method]
        raise UsageError(f"method: {method}: {why}. Use {instead} instead.")
    module, package = PACKAGES.get(method, ("optuna", "optuna"))
    if importlib.util.find_spec(module) is None:
        raise UsageError(
            f"method: {method} needs the package {package!r}, which is not installed: "
            f"pip install 'sweeper[{method}]', or choose `method: bayes`, which needs nothing more"
        )
