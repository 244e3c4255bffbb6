"""A server for one person: on this machine only, and only for reading."""

import socket
from typing import TYPE_CHECKING

from sonde.results import InputError

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"


def serve(application: "FastAPI", port: int = 8321) -> None:
    """Serve until interrupted, on this machine's loopback address.

    Arguments:
        application: what answers.
        port: any that is free; 0 for one that the system chooses.

    Raises:
        InputError: a port that can't be had.
    """
    import uvicorn

    with _bound(port) as listening:
        print(f"http://{HOST}:{listening.getsockname()[1]}/  (Ctrl-C ends it)", flush=True)
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        server.run(sockets=[listening])


def _bound(port: int) -> socket.socket:
    """A socket on the loopback address: other machines can't reach it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()  # who comes before the server is ready waits
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"port={port} can't be had ({error}): choose another, or 0 for one that is free") from None
    return listening
