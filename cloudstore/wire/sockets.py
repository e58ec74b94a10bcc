"""How a socket is set up, on either engine."""

from __future__ import annotations

import socket
import sys

__all__ = ["prepare"]

KEEPALIVE_IDLE_SECONDS = 60
"""NAT gateways and load balancers forget quiet connections after 60 to 350 seconds."""
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 6


def prepare(sock: socket.socket) -> None:
    """Sends at once, and notices a peer that has gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "darwin":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPALIVE, KEEPALIVE_IDLE_SECONDS)
    else:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
