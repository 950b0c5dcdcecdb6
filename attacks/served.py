"""`python -m attacks.served`: hostile pictures on every route that takes one.

Each is answered 2xx or 4xx in the shape of the route's protocol, in time, and the service goes on as before.
"""

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.drawn import drawn
from attacks.mutations import Mutation, mutations
from attacks.service import MODEL, WHERE, attacked, jpeg, laid_out
from attacks.trial import ANY, COLUMNS, PLAIN, THEIRS, Trial, held
from attacks.verdict import verdict
from benchmarks.load import Client, Question
from benchmarks.packages import package
from benchmarks.server import Server
from stages.core.console import track

SIZE = 64
INFER = f"/v2/models/{MODEL}_jpeg/infer"
BOUNDARY = "frontier"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(data: bytes) -> bytes:
    """Return a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def in_json(data: bytes) -> bytes:
    """Return a batch of one."""
    return json.dumps({"data": [{"path": "a", "encoded": base64.b64encode(data).decode()}]}).encode()


def raw(path: str, **headers: str) -> Callable[[bytes], Question]:
    """Return what makes a question of a picture as a raw body."""
    return lambda data: Question(path, data, headers)


ROUTES: dict[str, tuple[Callable[[bytes], Question], frozenset[str]]] = {
    "TorchServe": (raw(WHERE), THEIRS),
    "classify": (raw(f"/classify/{MODEL}"), PLAIN),
    "classify, page": (raw(f"/classify/{MODEL}", Accept="text/html"), ANY),
    "classify, form": (lambda data: Question(f"/classify/{MODEL}", form(data), FORM), PLAIN),
    "v2": (raw(INFER, **{"Inference-Header-Content-Length": "0"}), PLAIN),
    "base64": (lambda data: Question("/base64", in_json(data)), PLAIN),
    "typed": (lambda data: Question("/classify", form(data), FORM), ANY),
}


def pictured(server: Server, hostile: list[Mutation]) -> Iterator[Trial]:
    """Send every hostile picture to every route."""
    client = Client(server.address)
    for name, (made, shape) in ROUTES.items():
        trial, start = Trial(f"{name}: hostile pictures"), held(server)
        for one in track(hostile, len(hostile), name):
            trial.take(one.name, client.ask(made(one.data)), shape)
        trial.growth = held(server) - start
        honest(trial, server)
        yield trial


def honest(trial: Trial, server: Server) -> None:
    """Ask an honest question after the others."""
    trial.take("an honest picture", Client(server.address).ask(Question(WHERE, jpeg(160, 120))), ANY, [200])


def main() -> int:
    """Send hostile pictures to a service of its own."""
    parser = argparse.ArgumentParser(prog="python -m attacks.served", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="pictures to make (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance (default: %(default)s)")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        package(Path(scratch), size=SIZE)
        with attacked(laid_out(Path(scratch) / "code"), Path(scratch)) as server:
            found = list(pictured(server, list(mutations(drawn(), given.count, given.seed))))
    return verdict(COLUMNS, ((one.cells, one.wrong) for one in found))


if __name__ == "__main__":
    sys.exit(main())
