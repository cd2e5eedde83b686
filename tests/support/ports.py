"""Ports that nobody else uses."""

import socket


def find_free_port() -> int:
    """Return a port of the loopback interface that stays ours for the next minute.

    A connection is made through it and closed: while its end lingers in TIME_WAIT, the kernel gives
    the port to nobody who asks for any port, but to a server that asks for this one.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        address: tuple[str, int] = listening.getsockname()
        with socket.create_connection(address):
            accepted, _ = listening.accept()
            # Whoever closes first has the end that lingers, and the server's end is the port's.
            accepted.close()
    return address[1]


def is_open(port: int) -> bool:
    """Tell whether something accepts connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
