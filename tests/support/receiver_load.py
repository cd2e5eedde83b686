"""Senders that keep a receiver busy, and remember what it has acknowledged."""

import threading

from tests.support.deliveries import body_of
from tests.support.raw_http import Connection, CutOffError
from tests.support.receivers import Sender, webhook
from tests.support.waiting import wait_until


class Load:
    """Senders that deliver one event after the other until they can't connect any more.

    Args:
        receiver: Who gets them.
        tolerated: A status that may be answered beside 202.
        persistent: They go on after a connection has failed, until they are stopped.
    """

    def __init__(
        self, receiver: Sender, *, tolerated: int | None = None, persistent: bool = False
    ) -> None:
        self.acknowledged: list[bytes] = []
        self.refused: list[bytes] = []
        self.cut_off: list[bytes] = []
        self._receiver = receiver
        self._tolerated = tolerated
        self._persistent = persistent
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send_all) for _ in range(8)]
        for thread in self._threads:
            thread.start()

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many events are acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= count, f"{count} answers")

    def wait_for_more(self, count: int) -> None:
        """Wait until so many further events are acknowledged."""
        self.wait_for_answers(len(self.acknowledged) + count)

    def stop(self) -> None:
        """End the senders."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send_all(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._receiver.connect() as connection:
                    self._send_ten(connection)
            except OSError:
                if not self._persistent:
                    return  # nobody is there any more
                self._stopping.wait(0.05)

    def _send_ten(self, connection: Connection) -> None:
        for _ in range(10):
            body = body_of()
            connection.send(webhook(body))
            try:
                status = connection.receive().status
            except CutOffError:
                self.cut_off.append(body)
                raise
            assert status in {202, self._tolerated}
            (self.acknowledged if status == 202 else self.refused).append(body)
