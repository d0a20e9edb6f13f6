"""How long to wait with a commit that the server refuses as too soon."""

from __future__ import annotations

from dataclasses import dataclass

COMMIT_AGAIN_S = 60.0
"""Longest pause between two commits that are refused as too soon by a server that does not say when to come again."""


@dataclass(slots=True)
class Pauses:
    """How long to wait between commits that come too soon, `left` seconds in all."""

    left: float
    following: float = 1.0

    def next(self, asked_s: float | None) -> float | None:
        """Return the next pause: as long as the server asks for, else growing; None when none is left."""
        wait_s = asked_s or self.following
        self.following = min(2 * self.following, COMMIT_AGAIN_S)
        if wait_s > self.left:
            return None
        self.left -= wait_s
        return wait_s
