"""What a sweep costs, beside Ray Tune and plain loops: ``python -m tests.benchmarks``.

Numbers are printed, never asserted: on a shared machine they are to be read as ratios.
"""
