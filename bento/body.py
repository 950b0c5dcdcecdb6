"""The picture of a request: its raw body, or the first file of a form."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request


@dataclass(frozen=True)
class Upload:
    """A picture as it was sent, the name of its file and the number of the example asked for, if there are any."""

    data: bytes
    name: str = ""
    example: str | None = None


async def picture(request: Request) -> bytes:
    """Return the picture of a request: its raw body, or the first file of a form."""
    return (await upload(request)).data


async def upload(request: Request) -> Upload:
    """Return what a request sends: its raw body, or the first file of a form and its field `example`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return Upload(await request.body())
    async with request.form(max_files=8, max_fields=8) as form:
        number = form.get("example")
        example = number if number and isinstance(number, str) else None
        for part in form.values():
            if isinstance(part, UploadFile):
                data = await part.read()
                return Upload(data, part.filename or "", None if data else example)
    return Upload(b"", example=example)
