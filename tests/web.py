"""A web server of raw bytes on loopback that notes who called: canaries, good servers and bad ones."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[str], Iterator[bytes]]


class Web:
    """Answers every request with the bytes that `answer` yields for its path, and closes the connection."""

    def __init__(self, listener: socket.socket, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.listener, self.answer, self.tls = listener, answer, tls
        self.port: int = listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []

    def serve(self) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection: socket.socket) -> None:
        """Read a request's head, and write."""
        with suppress(OSError), connection:
            stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            head = b""
            while b"\r\n\r\n" not in head:
                part = stream.recv(65536)
                if not part:
                    return
                head += part
            self.requests.append(head)
            for part in self.answer(head.split(b" ")[1].decode()):
                stream.sendall(part)


@contextmanager
def web(answer: Answer, tls: ssl.SSLContext | None = None, at: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[Web]:
    """Serve in a thread."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    with socket.create_server(at, family=family) as listener:
        found = Web(listener, answer, tls)
        thread = threading.Thread(target=found.serve, daemon=True)
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
