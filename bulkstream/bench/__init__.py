"""Measuring how fast loads can go here, what limits them, and what would change that.

A *rate* is one speed, measured several times. The *stages* are measured alone: reading, cutting, each rung of the
gzip ladder, sending. The *grid* is whole loads by concurrency and part size. The *model* predicts a load from the
rates of its stages; a *choice* is a set of tuning values. A *rehearsal* is a load whose execution is always aborted,
so that no measurement changes a dataset.
"""

from __future__ import annotations

from bulkstream.bench.findings import Cell, Choice, Findings, Rate, Rung, Sending, Stages
from bulkstream.bench.measure import Plan, measure
from bulkstream.bench.model import Prediction, predict, recommend, verdict
from bulkstream.bench.profile import edited, save_profile
from bulkstream.bench.target import Target, Workbench

__all__ = [
    "Cell",
    "Choice",
    "Findings",
    "Plan",
    "Prediction",
    "Rate",
    "Rung",
    "Sending",
    "Stages",
    "Target",
    "Workbench",
    "edited",
    "measure",
    "predict",
    "recommend",
    "save_profile",
    "verdict",
]
