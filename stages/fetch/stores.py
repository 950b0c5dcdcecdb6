"""One object out of a store: whole, or not read again where a file holds it already.

S3 tells by ETag, GCS by MD5, a web server by size alone. A store raises FileNotFoundError and PermissionError for what
another attempt would not change, UserError for what is wrong with the request; other errors are worth another attempt.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from stages.core.errors import UserError, first_line
from stages.core.workspace import project_root
from stages.fetch.limits import CONNECT, READ, Damaged, Limits, meaning, refuse_large

MD5 = re.compile(r'"[0-9a-f]{32}"')


class Store(Protocol):
    """Where objects lie; `attempts` is how often one is worth asking for."""

    attempts: int

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Return an object's bytes, None where the file `have` holds them already."""


class S3:
    """Amazon S3 and what speaks like it; credentials, region and endpoint as boto3 finds them."""

    attempts = 10  # with one in five failing, one object in ten million is given up

    def __init__(self, connections: int, limits: Limits) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        self._limits = limits
        once = {"total_max_attempts": 1}  # attempts are counted in one place, which sees the body too
        config = Config(max_pool_connections=connections, retries=once, connect_timeout=CONNECT, read_timeout=READ)
        try:
            self._client = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise UserError(f"s3: {error}") from error

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Ask for the object unless it is the one we have."""
        from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

        name, _, folder = bucket.partition("/")
        path = f"{folder}/{key}" if folder else key
        known = {"IfNoneMatch": f'"{md5(have.read_bytes())}"'} if have else {}
        try:
            answer = self._client.get_object(Bucket=name, Key=path, **known)
        except NoCredentialsError as error:
            raise UserError("no credentials; put AWS_ACCESS_KEY_ID and … into the environment") from error
        except ParamValidationError as error:
            raise UserError(" ".join(str(error).split())) from error
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if status == 304:
                return None
            raise Damaged(code) if code == "RequestTimeout" else meaning(status, code) from error
        if have is not None and unchanged(have, answer):
            answer["Body"].close()
            return None
        return whole(answer, self._limits.largest)


def unchanged(have: Path, answer: dict[str, Any]) -> bool:
    """Return whether an object whose ETag is no MD5 is older than the file we have, and of its size."""
    state = have.stat()
    same = state.st_size == answer["ContentLength"] and answer["LastModified"].timestamp() <= state.st_mtime
    return same and not plain(answer)


def whole(answer: dict[str, Any], largest: int) -> bytes:
    """Return an object's bytes, checked against its ETag where that is their MD5."""
    refuse_large(answer["ContentLength"], largest)
    content: bytes = answer["Body"].read()
    if plain(answer) and f'"{md5(content)}"' != answer["ETag"]:
        raise Damaged(f"{len(content)} bytes that do not match the ETag {answer['ETag']}")
    return content


def plain(answer: dict[str, Any]) -> bool:
    """Return whether an object's ETag is its MD5: not that of a multipart or encrypted one."""
    encrypted = answer.get("ServerSideEncryption", "").startswith("aws:kms") or "SSECustomerAlgorithm" in answer
    return bool(MD5.fullmatch(answer.get("ETag", ""))) and not encrypted


class Anywhere:
    """Every other store (gs, …), by fsspec, whose clients make attempts of their own."""

    attempts = 3

    def __init__(self, scheme: str, limits: Limits) -> None:
        import fsspec

        self._limits = limits
        self._files = fsspec.filesystem(scheme, use_listings_cache=False)

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Ask for the object unless its size, and its MD5 where it is told, are those of the one we have."""
        path = f"{bucket}/{key}"
        try:
            told = self._files.info(path)
            refuse_large(told.get("size") or 0, self._limits.largest)
            if have is not None and matches(have.read_bytes(), told):
                return None
            content: bytes = self._files.cat_file(path)
        except OSError as error:
            raise forbidden(error) or error from error
        if not matches(content, told):
            raise Damaged(f"{len(content)} of {told.get('size')} bytes")
        return content


def forbidden(error: OSError) -> PermissionError | None:
    """Return what a client means that says in words only that it was turned away."""
    turned_away = getattr(error, "code", None) in (401, 403) or str(error).startswith("Forbidden")
    return PermissionError(first_line(error)) if turned_away else None


def matches(content: bytes, told: dict[str, Any]) -> bool:
    """Return whether bytes are what a store's listing tells of them."""
    right = told.get("size") in (None, len(content))
    given = told.get("md5Hash")
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return right and (given is None or given == base64.b64encode(digest).decode())


class Disk:
    """Files on this disk; a relative path starts at the project."""

    attempts = 1

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Read the file."""
        path = project_root() / bucket / key
        refuse_large(path.stat().st_size, self._limits.largest)
        content = path.read_bytes()
        return None if have is not None and have.read_bytes() == content else content


def open_store(scheme: str, connections: int, limits: Limits) -> Store:
    """Return the store of a URL's scheme."""
    if scheme == "file":
        return Disk(limits)
    if scheme == "s3":
        return S3(connections, limits)
    if scheme in ("http", "https"):
        from stages.fetch.web import Web

        return Web(scheme, connections, limits)
    try:
        return Anywhere(scheme, limits)
    except (ValueError, ImportError) as error:
        raise UserError(f"{scheme}://: unknown; allowed: s3://, gs://, http(s)://, file://") from error


def split(bucket: str) -> tuple[str, str]:
    """Return scheme and name of a bucket; one without a scheme is S3's."""
    if "://" not in bucket:
        return "s3", bucket
    parts = urlsplit(bucket)
    return parts.scheme, f"{parts.netloc}{parts.path}".rstrip("/")


def md5(content: bytes) -> str:
    """Return what S3 calls the ETag of these bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
