"""The only room that knows Ray: the launcher, the trainable, searchers, schedulers, the cluster."""
