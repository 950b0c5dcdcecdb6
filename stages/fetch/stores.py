"""One object out of a store: whole, checked by size and ETag, or not read again where a file holds it already.

A store raises FileNotFoundError and PermissionError for what another attempt would not change, UserError for what
is wrong with the store itself; every other error is worth another attempt.
"""

import hashlib
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from stages.config import project
from stages.errors import UserError

LARGEST = 64 * 2**20
TIMEOUT = {"connect_timeout": 10, "read_timeout": 30}
PASSING = (408, 429)
FINAL = {401: PermissionError, 403: PermissionError, 404: FileNotFoundError, 410: FileNotFoundError}


class Damaged(Exception):
    """An object that did not come as it was announced."""


class Store(Protocol):
    """Where objects lie."""

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Return an object's bytes, None where the file `have` holds them already."""


class S3:
    """Amazon S3 and what speaks like it; credentials, region and endpoint as boto3 finds them."""

    def __init__(self, connections: int) -> None:
        import boto3
        from botocore.config import Config

        retries = {"total_max_attempts": 1}  # attempts are counted in one place, which sees the body too
        config = Config(max_pool_connections=connections, retries=retries, **TIMEOUT)
        self._client = boto3.session.Session().client("s3", config=config)

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Ask for the object unless it is the one we have."""
        from botocore.exceptions import ClientError, NoCredentialsError

        known = {"IfNoneMatch": f'"{md5(have.read_bytes())}"'} if have else {}
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, **known)
        except NoCredentialsError as error:
            raise UserError("s3: no credentials; put AWS_ACCESS_KEY_ID and … into the environment") from error
        except ClientError as error:
            refuse_unless_same(error.response)
            return None
        size = answer["ContentLength"]
        if have is not None and "-" in answer["ETag"] and have.stat().st_size == size:
            answer["Body"].close()
            return None
        refuse_large(size)
        content: bytes = answer["Body"].read()
        if plain(answer) and md5(content) != answer["ETag"].strip('"'):
            raise Damaged(f"{len(content)} bytes that do not match the ETag {answer['ETag']}")
        return content


def refuse_unless_same(response: dict[str, Any]) -> None:
    """Raise what an error of S3 means, unless it says that nothing has changed."""
    status, error = response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]
    if status == 304:
        return
    if status >= 500 or status in PASSING or error["Code"] in ("RequestTimeout", "SlowDown"):
        raise Damaged(error["Code"])
    raise FINAL.get(status, UserError)(f"{status} {error['Code']}")


def plain(answer: dict[str, Any]) -> bool:
    """Return whether an object's ETag is its MD5: not that of a multipart or encrypted one."""
    encrypted = answer.get("ServerSideEncryption", "").startswith("aws:kms") or "SSECustomerAlgorithm" in answer
    return "-" not in answer["ETag"] and not encrypted


class Anywhere:
    """Every other store (gs, http, …), by fsspec."""

    def __init__(self, scheme: str) -> None:
        import fsspec

        self._files = fsspec.filesystem(scheme, use_listings_cache=False)
        self._head = f"{scheme}://" if scheme.startswith("http") else ""

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Ask for the object unless its size, and its MD5 where it is told, are those of the one we have."""
        path = f"{self._head}{bucket}/{key}"
        told = self._files.info(path)
        size = told.get("size")
        refuse_large(size or 0)
        if have is not None and size is not None and matches(have.read_bytes(), told):
            return None
        content: bytes = self._files.cat_file(path)
        if not matches(content, told):
            raise Damaged(f"{len(content)} of {size} bytes")
        return content


def matches(content: bytes, told: dict[str, Any]) -> bool:
    """Return whether bytes are what a store's listing tells of them."""
    import base64

    right = told.get("size") in (None, len(content))
    given = told.get("md5Hash")
    return right and (given is None or given == base64.b64encode(hashlib.md5(content).digest()).decode())


class Disk:
    """Files on this disk; a relative path starts at the project."""

    def get(self, bucket: str, key: str, have: Path | None) -> bytes | None:
        """Read the file."""
        path = project() / bucket / key
        refuse_large(path.stat().st_size)
        content = path.read_bytes()
        return None if have is not None and have.read_bytes() == content else content


def open_store(scheme: str, connections: int) -> Store:
    """Return the store of a URL's scheme."""
    if scheme == "file":
        return Disk()
    if scheme == "s3":
        return S3(connections)
    try:
        return Anywhere(scheme)
    except (ValueError, ImportError) as error:
        raise UserError(f"{scheme}://: unknown; allowed: s3://, gs://, http(s)://, file://") from error


def split(bucket: str) -> tuple[str, str]:
    """Return scheme and name of a bucket; one without a scheme is S3's."""
    if "://" not in bucket:
        return "s3", bucket
    parts = urlsplit(bucket)
    return parts.scheme, f"{parts.netloc}{parts.path}".rstrip("/")


def refuse_large(size: int) -> None:
    """Raise a UserError for a size that no picture has."""
    if size > LARGEST:
        raise UserError(f"{size / 2**20:.0f} MB, larger than {LARGEST >> 20}")


def md5(content: bytes) -> str:
    """Return what S3 calls the ETag of these bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
