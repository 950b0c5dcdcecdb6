"""BentoML services: `bento.service:Bestiary` is every packaged model and index, `bento.service:<name>` one alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bentoml
from _bentoml_impl.serde import ALL_SERDE
from bentoml.exceptions import BadInput, BentoMLException, NotFound, ServiceUnavailable

from bento.app import build
from bento.arbiter import refuse_at_the_end
from bento.desk import Desk
from bento.layers import Layered
from bento.refusals import Busy, UnknownModel
from bento.settings import indexed, indexes, packaged, packages, settings
from bento.typed import Form
from bento.worker import watch
from stages.core.image import TooLarge, Undecodable

SETTINGS = settings()
FOLDER, INDEXES = packages(), indexes()
ALL = "Bestiary"


for kind in (Form.media_type, "application/x-www-form-urlencoded"):
    ALL_SERDE[kind] = Form
refuse_at_the_end(SETTINGS.drain)


def make(name: str, models: list[str], searched: Iterable[str] = ()) -> Any:
    """Return a BentoML service of these models and indexes, with every protocol mounted at `/`."""
    app, first = build(), models[0] if models else ""

    class Service:
        def __init__(self) -> None:
            self.desk = app.state.desk = Desk(SETTINGS, FOLDER, models, [INDEXES / index for index in searched])
            watch(self.desk)

        async def __is_ready__(self) -> bool:
            return not self.desk.leaving

    class Classifying(Service):
        @bentoml.api  # type: ignore[untyped-decorator]
        async def classify(self, images: list[Path], model: str = first) -> list[dict[str, float]]:
            """Return the probability of every class of each image, the most probable first; one batch."""
            with as_bentoml_errors():
                chosen = self.desk.model(model)
                if len(images) > SETTINGS.max_images:
                    raise TooLarge(f"{len(images)} pictures in one request, more than {SETTINGS.max_images}")
                pictures = [image.read_bytes() for image in images]
                answers = await self.desk.run(lambda: chosen.predict(pictures))
            return [chosen.rank_labels(row) for row in answers]

    kind = Classifying if models else Service
    kind.__name__ = kind.__qualname__ = name
    service = bentoml.service(
        service_class=Layered,
        workers=SETTINGS.workers,
        traffic={"timeout": SETTINGS.timeout + SETTINGS.url_timeout + 5},
        http={"host": "127.0.0.1"},
    )(kind)
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
    """Make the service of one model or index, or of all, when it is first asked for."""
    models, searched = packaged(FOLDER), indexed(INDEXES)
    known = sorted({*models, *searched})
    if not known:
        raise AttributeError(f"no packaged model in {FOLDER}, no index in {INDEXES}; make them with `dvc repro`")
    if name == ALL:
        return make(name, models, searched)
    if name in known:
        return make(name, [one for one in models if one == name], [one for one in searched if one == name])
    raise AttributeError(f"no service {name!r}; there are {ALL}, {', '.join(known)}")
