"""The worker: a fork server that has imported the train module, and the warm child that trains.

Knows ``experiment``; knows nothing of Ray, so that it can be tested and used without it.
"""

from .client import INTERPRETER, JSON_FILE, RUN_DIR, Child, ServerControl, ServerLost, server_log
from .memory import NEXT, MemoryWatch, goes, of_gpu
from .messages import End, Exit, Message, Report, TrialMessage
from .processes import MARK, die_with_parent, end_marked
from .program_check import ProgramCheck
from .session import Session, import_in_doubt, remove_abandoned, session_of
