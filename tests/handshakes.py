"""A TLS handshake between a server's context and Python's own client, without a port."""

import socket
import ssl
import threading


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, asked: str) -> None:
    """Connect as a client that asks for this host name; ssl.SSLError if the two do not agree."""
    server_end, client_end = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(server_end, server_side=True):
                pass
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(client_end, server_hostname=asked):
            pass
    finally:
        client_end.close()
        thread.join()
        server_end.close()
