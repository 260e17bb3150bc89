"""Pages that show what came of sweeps, drawn from ``results``: a report, a live page.

Pure as ``results`` is: nothing here writes below a storage or runs what a tree holds.
"""

from .report import report, write_report
from .server import serve
