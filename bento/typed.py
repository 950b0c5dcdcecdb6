"""Forms sent to BentoML's own, typed route: no file is fetched from a URL, a broken form is the client's fault."""

from typing import Any

from _bentoml_impl.serde import MultipartSerde
from bentoml.exceptions import BadInput
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request


async def only_files(part: UploadFile | str) -> UploadFile:
    """Refuse text where a file is expected; BentoML would take it for a URL and fetch it."""
    if isinstance(part, UploadFile):
        return part
    raise BadInput("images: not a file; send files, a URL is not fetched")


class Form(MultipartSerde):  # type: ignore[misc]
    """BentoML's reading of forms; what it cannot read is answered 400, where it would be 500."""

    ensure_file = staticmethod(only_files)

    async def parse_request(self, request: Request, cls: type[Any]) -> Any:
        """Return the values of a form."""
        try:
            return await super().parse_request(request, cls)
        except ValidationError:
            raise
        except (HTTPException, RecursionError, ValueError) as error:
            said = error.detail if isinstance(error, HTTPException) else error
            raise BadInput(f"the form cannot be read: {said}") from error
