"""Conditions that can never hold: found before launch where that can be decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report import Report
from .space import Space


def refuse_the_impossible(report: Report, space: Space, data: Mapping[str, Any]) -> None:
    """Complain about every ``when`` and constraint of ``space`` that no trial can satisfy."""
