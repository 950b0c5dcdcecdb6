"""Credentials stay out of configs, logs and records."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from stages.core.errors import UserError

_SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/@\s:]+:[^/@\s]+@"
    r"|[?&](?i:x-amz-signature|x-goog-signature|signature|sig)=[^&\s]"
)
_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
_SIGNATURE_KEY = re.compile(
    r"(?i)x-(?:amz|goog|ms)-.*|.*(?:signature|token|secret|passw|credential).*|sig|policy|key-pair-id|auth.*"
    r"|(?:aws|google)?access_?(?:key)?_?id|(?:api|access|subscription)?[-_]?key"
)


def refuse_secrets(node: Any, path: str = "") -> None:
    """Checks that no text in a config tree, or in a list of words, looks like a credential.

    Args:
        node: Nested dictionaries and lists.
        path: Where the node stands, for the message.

    Raises:
        UserError: One does. The message names its path and does not repeat it.
    """
    if isinstance(node, dict):
        for name, value in node.items():
            refuse_secrets(value, f"{path}.{name}" if path else str(name))
    elif isinstance(node, list):
        for value in node:
            refuse_secrets(value, path)
    elif isinstance(node, str) and _SECRET.search(node):
        raise UserError(
            f"{path}: holds what looks like a secret; put keys into the environment (AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS …) or where the clients look for them"
        )


def redact_credentials(text: str) -> str:
    """Removes user name, password and query from every URL in a text, for logs."""
    return _URL.sub(lambda match: _LOGIN.sub("", match[0]).partition("?")[0], text)


def redact_secrets(text: str) -> str:
    """Removes user name, password and signature from every URL in a text; the rest of a query stays."""
    return _URL.sub(lambda match: strip_signature(match[0]), text) if "://" in text else text


def redact_url(url: str) -> str:
    """Removes user name, password and query (which may be a signature) from a URL, for logs and records.

    A path is returned as it is.
    """
    if "://" not in url or url.startswith("file://"):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # a malformed URL may hide a password anywhere
        return f"{url.partition('://')[0]}://…"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def strip_signature(url: str) -> str:
    """Removes from a URL what lets its holder in: user name, password, and the signing parts of its query."""
    address, mark, query = _LOGIN.sub("", url).partition("?")
    query, hash_mark, fragment = query.partition("#")
    kept = [part for part in query.split("&") if not _SIGNATURE_KEY.fullmatch(unquote(part.partition("=")[0]))]
    return address + (mark + "&".join(kept) if any(kept) else "") + hash_mark + fragment
