"""How fast an endpoint may be asked."""

import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime


class Pace:
    """Lets requests start at most once an interval, and none during a pause.

    Args:
        interval (`float`): Seconds; 0 for no limit.
    """

    def __init__(self, interval):
        self.interval, self.next, self.lock = interval, 0.0, threading.Lock()

    def wait(self, stop):
        """Waits for this thread's turn, or until the `threading.Event` is set."""
        with self.lock:
            start = max(time.monotonic(), self.next)
            self.next = start + self.interval
        stop.wait(start - time.monotonic())

    def pause(self, seconds):
        """Lets nobody begin for so long."""
        with self.lock:
            self.next = max(self.next, time.monotonic() + seconds)


def seconds_of(retry_after):
    """What `Retry-After` says, seconds or a date, in seconds from now; `None` where it says nothing."""
    with suppress(TypeError, ValueError):
        return max(0.0, float(retry_after))
    with suppress(TypeError, ValueError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None
