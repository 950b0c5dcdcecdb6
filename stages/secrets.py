"""Secrets never stand in the config: it is committed, logged and recorded."""

import re
from typing import Any

from stages.errors import UserError

SECRET = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/@\s:]+:[^/@\s]+@")


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


LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
SIGNATURE = re.compile(r"(?<=\?)[^\s'\"<>)\]]+")


def without_login(text: str) -> str:
    """Return a text with the addresses in it bare: no user name, no password, no query, which may be a signature."""
    return SIGNATURE.sub("…", LOGIN.sub("", text)) if "://" in text else text
