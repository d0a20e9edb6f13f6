"""For every schedule of faults and actions, a load ends in one outcome, and the outcome is true."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import Loads

ALL = [*HealthCheck]
PROFILES = {
    "ci": settings(max_examples=50, stateful_step_count=6, derandomize=True, database=None),
    "dev": settings(max_examples=200, stateful_step_count=8),
    "long": settings(max_examples=5000, stateful_step_count=15),
}


@pytest.mark.timeout(0)
def test_outcome_is_true_and_rows_are_there_once_for_any_schedule() -> None:
    """Committed, aborted, kept or unknown, as the sandbox itself has it; committed is the source's rows, once.

    HYPOTHESIS_PROFILE chooses how long to look: ci, dev or long.
    """
    profile = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
    how = settings(profile, deadline=None, suppress_health_check=ALL, print_blob=True)
    run_state_machine_as_test(Loads, settings=how)
