"""A directory for ``PYTHONPATH``: its ``sitecustomize`` runs inside the user's scripts."""
