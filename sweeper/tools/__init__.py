"""What came of sweeps for the tools that people have: exports, TensorBoard's logs, notifications.

Made of ``results`` alone. A library that is not there is named with the line that installs it.
"""

from .exports import FORMATS, export

__all__ = ["FORMATS", "export"]
