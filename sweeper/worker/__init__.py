"""The worker: a fork server that has imported the train module, and the warm child that trains.

Knows ``experiment``; knows nothing of Ray, so that it can be tested and used without it.
"""
