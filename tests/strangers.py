"""Servers that are none of ours: what answers anything over HTTP, or has any certificate."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from keystead.crypto.authority import Authority
from keystead.server.network.listener import Pem, load_certificate, server_context


class AnswersWith:
    """An HTTP server that answers each path with what a function says: status and JSON."""

    def __init__(self, answer: Callable[[str], tuple[int, object]], date: str | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                status, content = answer(self.path.partition("?")[0])
                body = json.dumps(content).encode()
                self.send_response_only(status)
                self.send_header("Date", formatdate(usegmt=True) if date is None else date)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def tls_server(
    authority: Authority, names: list[str], begins: float, lifetime: int, folder: Path
) -> Iterator[str]:
    """Whatever speaks TLS with a certificate of this kind; its CA is in ca.pem."""
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    leaf = authority.issue(names, [], begins, lifetime)
    with showing(leaf.certificate_pem, leaf.key_pem) as url:
        yield url


@contextmanager
def showing(certificate: bytes, key: bytes) -> Iterator[str]:
    """Whatever speaks TLS with this certificate."""
    context = server_context()
    load_certificate(context, Pem(certificate, key))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = False

        def serve() -> None:
            while not ended:
                try:
                    connection, _ = listener.accept()
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(1 << 16)
                except (OSError, ssl.SSLError):
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}"
        finally:
            ended = True
            with socket.create_connection(listener.getsockname()):
                pass
            thread.join()
