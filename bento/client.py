"""`python -m bento.client similar IMAGE|URL|ID`, `… classify MODEL IMAGE …`: ask a service, print a table or JSON."""

import argparse
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

SERVER = "http://localhost:3000"
WIDEST, NARROWEST = 32, 8
PATIENCE = 60


class Refused(Exception):
    """What went wrong, in one line."""


def main(words: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit status: 0, or 1 where the service refuses or cannot be reached."""
    arguments = parser().parse_args(words)
    try:
        asked = arguments.ask(arguments)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    shown = json.dumps(asked, ensure_ascii=False, indent=2) if arguments.json else arguments.table(asked)
    sys.stdout.write(f"{shown}\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--server", default=SERVER, help=f"where the service is (default {SERVER})")
    both.add_argument("--json", action="store_true", help="print what the service answers")
    found = argparse.ArgumentParser(prog="python -m bento.client", description="Ask a service of Bestiary.")
    commands = found.add_subparsers(required=True, metavar="similar | classify")
    one = commands.add_parser("similar", parents=[both], help="the artworks most similar to one, or to a picture")
    one.add_argument("what", metavar="IMAGE|URL|ID", help="a picture's file, its http(s) address, or an artwork's id")
    one.add_argument("--n", type=int, default=10, help="how many (default 10)")
    for name in ("culture", "classification"):
        one.add_argument(f"--{name}", action="append", default=[], help=f"only of this {name}; may be repeated")
    one.add_argument("--where", action="append", default=[], metavar="COLUMN=LABEL", help="only these; may be repeated")
    one.add_argument("--except", action="append", default=[], metavar="COLUMN=LABEL", help="not these", dest="without")
    one.add_argument("--index", help="which index, where the service has several")
    one.set_defaults(ask=similar, table=of_matches)
    other = commands.add_parser("classify", parents=[both], help="what a model says of pictures")
    other.add_argument("model")
    other.add_argument("images", nargs="+", metavar="IMAGE")
    other.set_defaults(ask=classify, table=of_labels)
    return found


def similar(arguments: argparse.Namespace) -> Any:
    """Ask for similar artworks."""
    pairs = [("n", str(arguments.n))]
    pairs += [("culture", label) for label in arguments.culture]
    pairs += [("classification", label) for label in arguments.classification]
    pairs += [(f"is.{column}", label) for column, label in map(halves, arguments.where)]
    pairs += [(f"not.{column}", label) for column, label in map(halves, arguments.without)]
    path = f"/similar/{quote(arguments.index, safe='')}" if arguments.index else "/similar"
    if is_file(arguments.what):
        return call(arguments.server, f"{path}?{urlencode(pairs)}", contents(arguments.what))
    name = "url" if "://" in arguments.what else "id"
    return call(arguments.server, f"{path}?{urlencode([*pairs, (name, arguments.what)])}")


def classify(arguments: argparse.Namespace) -> Any:
    """Ask a model about each picture."""
    path = f"/classify/{quote(arguments.model, safe='')}"
    return [{"image": image, **call(arguments.server, path, contents(image))} for image in arguments.images]


def halves(text: str) -> tuple[str, str]:
    """Return column and label of COLUMN=LABEL."""
    column, equals, label = text.partition("=")
    if not (column and equals and label):
        raise Refused(f"{text}: say COLUMN=LABEL, for example Museum=Louvre")
    return column, label


def is_file(what: str) -> bool:
    """Tell whether there is such a file; what is too long for a name is none."""
    try:
        return Path(what).is_file()
    except OSError:
        return False


def contents(image: str) -> bytes:
    """Return a file's bytes."""
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise Refused(f"{image}: {error.strerror or error}") from error


def call(server: str, path: str, body: bytes | None = None) -> Any:
    """Return what a service answers; a body is posted."""
    headers = {"Accept": "application/json", **({"Content-Type": "application/octet-stream"} if body else {})}
    try:
        request = urllib.request.Request(server.rstrip("/") + path, body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(said(error)) from error
    except (OSError, ValueError, HTTPException) as error:
        why = getattr(error, "reason", error)
        raise Refused(f"{server}: no service of Bestiary answers ({why}); `make serve` starts one") from error


def said(error: urllib.error.HTTPError) -> str:
    """Return what a service says is wrong."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: {error.code} {error.reason}"


def of_matches(asked: Any) -> str:
    """Return matches as a table: score and what is known of each, addresses left out."""
    results = asked["results"]
    names = [name for name in (results[0][0] if results else ()) if not any(is_url(row[name]) for row, _ in results)]
    names = [name for name in names if any(row[name] for row, _ in results)]
    rows = [[f"{score:.3f}", *(str(row[name]) for name in names)] for row, score in results]
    return table(["score", *names], rows) if rows else "nothing is kept by these filters"


def is_url(value: object) -> bool:
    """Tell whether a value is an address or a path of a picture."""
    return isinstance(value, str) and ("://" in value or value.lower().endswith((".jpg", ".jpeg", ".png", ".webp")))


def of_labels(asked: Any) -> str:
    """Return what a model says of each picture as a table: the three most probable labels."""
    rows = [
        [item["image"], *(f"{label['label']} {label['probability']:.1%}" for label in item["labels"][:3])]
        for item in asked
    ]
    most = max(map(len, rows))
    return table(["image", "best", "second", "third"][:most], [row + [""] * (most - len(row)) for row in rows])


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return rows below their head, as many columns as the terminal is wide, long words cut."""
    left, widths = shutil.get_terminal_size().columns, list[int]()
    for number, name in enumerate(head):
        wanted = min(WIDEST, max(len(name), *(len(row[number]) for row in rows)))
        width = min(wanted, left)
        if widths and width < min(wanted, NARROWEST):
            break
        widths.append(width)
        left -= width + 2
    lines = [[cut(cell, width) for cell, width in zip(row, widths, strict=False)] for row in [head, *rows]]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def cut(text: str, width: int) -> str:
    """Return a text in a line of that width, without what a terminal would obey."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return (line if len(line) <= width else f"{line[: width - 1]}…").ljust(width)


if __name__ == "__main__":
    sys.exit(main())
