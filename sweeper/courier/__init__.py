"""The courier of a launch whose tree is in an object store: what runs write is sent by it.

A process of its own, so that training waits for nothing and no process is forked that talks to a
store. It sends each run under a lease in the store; once that is another's, or gone, it sends no
more of the run and takes it from those who write it here.
"""

from .launched import sending
from .sent_run import Lost, SentRun

__all__ = ["Lost", "SentRun", "sending"]
