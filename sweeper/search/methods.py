"""The searcher of each `method` that has one, and whether its packages are installed."""

from __future__ import annotations

from sweeper.sweepfile import Sweep

from . import optuna_searcher, ray_libraries
from .searcher import Searcher


def searcher_for(sweep: Sweep) -> Searcher:
    """The searcher of the sweep's method.

    Raises ``UsageError`` where a package that it needs is not installed.
    """
    axes = sweep.space.axes
    if sweep.method == "qmc":
        from .sobol_searcher import SobolSearcher

        return SobolSearcher(len(axes), sweep.seed)
    if sweep.method in optuna_searcher.SAMPLERS:
        choices = [axis.alternatives for axis in axes]
        return optuna_searcher.OptunaSearcher(sweep.method, choices, sweep.seed)
    from .ray_searcher import RaySearcher

    return RaySearcher(sweep.method, len(axes), sweep.seed, trials=sweep.size() or 100)


def check_installed(method: str) -> None:
    """Raise ``UsageError`` where a package that the method needs is missing; imports none."""
    optuna_searcher.check_installed(method)
    ray_libraries.check_installed(method)
