"""Being told to stop."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


def stop_on_signals(say: Callable[[str], None]) -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; later ones change nothing.

    Call from the main thread.

    Args:
        say: Told the signal's name, on a thread of its own.
    """
    # A handler runs in the middle of whatever the main thread does. Were that thread just logging
    # or looking at the event, it would hold the very lock that the handler needs, for ever. So the
    # handler only writes a byte, and another thread does the rest.
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    stopping = threading.Event()

    def handle(number: int, _: FrameType | None) -> None:
        # A pipe that is full of earlier signals has told what there is to tell.
        with suppress(BlockingIOError):
            os.write(write_end, bytes([number]))

    def watch() -> None:
        number = os.read(read_end, 1)[0]
        say(signal.Signals(number).name)
        stopping.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stopping
