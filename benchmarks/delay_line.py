"""A line of a stated length in front of a server: what goes in comes out later, at any rate.

``python -m benchmarks.delay_line --to PORT --milliseconds 10`` prints its own port, and delays either
way by so much: a round trip takes twice as long. Unlike a proxy that waits after each piece it has many
of them on their way at a time, as a real line has. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress

PIECE = 256 * 1024
ON_THE_WAY = 64
"""Pieces of one connection and direction that the line holds: more than 20 ms of any rate here."""


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Carries one direction of a connection."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)

    async def take_in() -> None:
        data = b"-"
        while data:
            data = await reader.read(PIECE)
            await pieces.put((loop.time() + delay, data))

    task = asyncio.create_task(take_in())
    try:
        while True:
            due, data = await pieces.get()
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    finally:
        task.cancel()
        with suppress(OSError):
            writer.close()


async def serve(port: int, to: int, delay: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)  # the handshake of TCP
        there, back = await asyncio.open_connection("127.0.0.1", to, limit=PIECE)
        ways = (carry(reader, back, delay), carry(there, writer, delay))
        with suppress(OSError, asyncio.CancelledError):  # as the line ends
            await asyncio.gather(*ways)

    server = await asyncio.start_server(connect, "127.0.0.1", port, limit=PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delay_line", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where it listens; 0 is a free one")
    parser.add_argument("--to", type=int, required=True, help="the server's port")
    parser.add_argument("--milliseconds", type=float, required=True, help="one way")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.port, chosen.to, chosen.milliseconds / 1000))


if __name__ == "__main__":
    main()
