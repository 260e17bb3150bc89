"""What came of sweeps for the tools that people have: exports, TensorBoard's logs, notifications.

Made of ``results`` alone. A library that is not there is named with the line that installs it.
"""

from .event_files import EventFiles, how_to_look, tensorboard_directory
from .exports import export
from .notify import Notifier
