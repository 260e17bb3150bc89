"""Trees in an object store (S3, Google Cloud, Azure): a mirror on this disk, and what moves there.

A tree at an address is read and written below a directory that stands for it; here files move
between the two. Importing this loads nothing; ``obstore`` is loaded where a store is asked.
"""

from .addresses import address_of, local, named, shown
from .leases import age, clear, create, forget, look, remove, still_there, touch
from .mirror import MARKER, Sent, bring, known_models, mark, refresh, send, take, told_apart, unsent
from .moving import pull, push
from .objects import bucket_at
from .state import connect, say_trouble, stay_away, trouble
