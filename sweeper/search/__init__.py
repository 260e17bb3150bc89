"""What to try next and whom to stop: searchers, stopping rules, populations.

Ray is known only where a searcher is one of its wrappers, and imported only when that is used.
"""

from .adaptive import AdaptivePlan, ScoreFunction
from .methods import check_installed, remarks, searcher_for
from .population import Population
from .race import Race
from .stopping import StoppingRule, stopping_rule

__all__ = [
    "AdaptivePlan",
    "Population",
    "Race",
    "ScoreFunction",
    "StoppingRule",
    "check_installed",
    "remarks",
    "searcher_for",
    "stopping_rule",
]
