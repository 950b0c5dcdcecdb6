"""BentoML services: `bento.service:Bestiary` serves every packaged model, `bento.service:<model>` that one alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bentoml
from _bentoml_impl.serde import MultipartSerde
from bentoml.exceptions import BadInput, BentoMLException, NotFound, ServiceUnavailable
from starlette.datastructures import UploadFile

from bento.app import build
from bento.body import BodyLimit
from bento.desk import Desk
from bento.refusals import Busy, UnknownModel
from bento.settings import packaged, packages, settings
from stages.preprocess.decode import TooLarge, Undecodable

SETTINGS = settings()
FOLDER = packages()
ALL = "Bestiary"


async def only_files(part: UploadFile | str) -> UploadFile:
    """Refuse text where a file is expected; BentoML would take it for a URL and fetch it."""
    if isinstance(part, UploadFile):
        return part
    raise BadInput("images: not a file; send files, a URL is not fetched")


MultipartSerde.ensure_file = staticmethod(only_files)


def make(name: str, models: list[str]) -> Any:
    """Return a BentoML service of these models, with every protocol mounted at `/`."""
    app = build()

    class Service:
        def __init__(self) -> None:
            self.desk = app.state.desk = Desk(SETTINGS, FOLDER, models)

        @bentoml.api  # type: ignore[untyped-decorator]
        async def classify(self, images: list[Path], model: str = models[0]) -> list[dict[str, float]]:
            """Return the probability of every class of each image, the most probable first; one batch."""
            with as_bentoml_errors():
                chosen = self.desk.model(model)
                if len(images) > SETTINGS.max_images:
                    raise TooLarge(f"{len(images)} pictures in one request, more than {SETTINGS.max_images}")
                pictures = [image.read_bytes() for image in images]
                answers = await self.desk.run(lambda: chosen.predict(pictures))
            return [chosen.ranked(row) for row in answers]

    Service.__name__ = Service.__qualname__ = name
    service = bentoml.service(
        workers=SETTINGS.workers,
        traffic={"timeout": SETTINGS.timeout + 5},
        http={"host": "127.0.0.1"},
    )(Service)
    service.add_asgi_middleware(BodyLimit, limit=SETTINGS.max_body)
    return bentoml.asgi_app(app, path="/")(service)


@contextmanager
def as_bentoml_errors() -> Iterator[None]:
    """Turn our errors into those that BentoML answers with the right status."""
    try:
        yield
    except UnknownModel as error:
        raise NotFound(error.message) from error
    except Busy as error:
        raise ServiceUnavailable(str(error)) from error
    except TooLarge as error:
        raise BentoMLException(str(error), error_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from error
    except Undecodable as error:
        raise BadInput(f"not a picture that can be read: {error}") from error


def __getattr__(name: str) -> Any:
    """Make the service of one model, or of all, when it is first asked for."""
    known = packaged(FOLDER)
    if not known:
        raise AttributeError(f"no packaged model in {FOLDER}; make them with `dvc repro package`")
    if name == ALL:
        return make(name, known)
    if name in known:
        return make(name, [name])
    raise AttributeError(f"no service {name!r}; there are {ALL}, {', '.join(known)}")
