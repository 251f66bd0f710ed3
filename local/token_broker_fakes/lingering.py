"""Close a connection so that its client can read the last answer."""

import socket
import time

LINGER_SECONDS = 2.0
"""How long further bytes of a client are read and ignored."""

PIECE_BYTES = 1 << 16


def linger(connection: socket.socket) -> None:
    """Shut down writing, then read until the client has finished, at most `LINGER_SECONDS`.

    A socket that is closed with something unread resets the connection, and the reset overtakes
    the answer: a client that is still sending a refused body would not see why it was refused.
    See https://www.rfc-editor.org/rfc/rfc9112#section-9.6.
    """
    until = time.monotonic() + LINGER_SECONDS
    try:
        connection.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(PIECE_BYTES):
                return
    except OSError:
        return  # the client is gone, is silent for too long, or was cut off by a fault
