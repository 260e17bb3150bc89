"""Seeded fuzzers: ``python -m tests.fuzz tree|spec --minutes N [--seed S]``."""
