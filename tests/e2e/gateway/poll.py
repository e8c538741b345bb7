"""Waiting for what comes true by itself, with a deadline."""

import time

PATIENCE_S = 90
PAUSE_S = 0.02


def eventually(holds):
    """What `holds()` says once it is true of something; fails if it never is."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"it did not come true within {PATIENCE_S} s"
        time.sleep(PAUSE_S)
