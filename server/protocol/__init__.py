"""HTTP/1.1 between a socket and the ASGI application, for uvicorn's server: `Protocol`."""

from server.protocol.connection import Protocol

__all__ = ["Protocol"]
