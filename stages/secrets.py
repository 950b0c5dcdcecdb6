"""Secrets never stand in the config: it is committed, logged and recorded."""

import re
from typing import Any
from urllib.parse import unquote

from stages.errors import UserError

SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/@\s:]+:[^/@\s]+@"
    r"|[?&](?i:x-amz-signature|x-goog-signature|signature|sig)=[^&\s]"
)
ADDRESS = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")
LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
SIGNED = re.compile(
    r"(?i)x-(?:amz|goog|ms)-.*|.*(?:signature|token|secret|passw|credential).*|sig|policy|key-pair-id|auth.*"
    r"|(?:aws|google)?access_?(?:key)?_?id|(?:api|access|subscription)?[-_]?key"
)


def refuse_secrets(node: Any, where: str = "") -> None:
    """Raise a UserError for the first text of a tree that looks like a credential; it is not repeated."""
    if isinstance(node, dict):
        for name, value in node.items():
            refuse_secrets(value, f"{where}.{name}" if where else str(name))
    elif isinstance(node, list):
        for value in node:
            refuse_secrets(value, where)
    elif isinstance(node, str) and SECRET.search(node):
        raise UserError(
            f"{where}: holds what looks like a secret; put keys into the environment (AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS …) or where the clients look for them"
        )


def without_login(text: str) -> str:
    """Return a text with the addresses in it bare, fit for logs: no user name, no password, no query."""
    return ADDRESS.sub(lambda found: LOGIN.sub("", found[0]).partition("?")[0], text)


def without_secrets(text: str) -> str:
    """Return a text whose addresses have no user name, no password and no signature; the rest of a query stays."""
    return ADDRESS.sub(lambda found: unsigned(found[0]), text) if "://" in text else text


def unsigned(address: str) -> str:
    """Return an address without what lets its holder in."""
    place, asked, query = LOGIN.sub("", address).partition("?")
    query, marked, fragment = query.partition("#")
    kept = [part for part in query.split("&") if not SIGNED.fullmatch(unquote(part.partition("=")[0]))]
    return place + (asked + "&".join(kept) if any(kept) else "") + marked + fragment
