"""Where requests wait: a small pool of threads and a bounded queue before it."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

from starlette.requests import Request

from bento.gallery import Gallery
from bento.model import Model
from bento.refusals import Busy, UnknownIndex, UnknownModel, UnknownVersion
from bento.remote import Remote
from bento.settings import Settings
from stages.core.onnx_model import VERSIONS, list_precisions

T = TypeVar("T")


def desk(request: Request) -> "Desk":
    """Return the desk of the worker that a request came to."""
    found: Desk = request.app.state.desk
    return found


def editions(folder: Path, settings: Settings) -> dict[str, Model]:
    """Open a package; return version → model, one for each precision that it holds."""
    opened = (Model(folder, settings.threads, settings.max_pixels, precision) for precision in list_precisions(folder))
    return {model.version: model for model in opened}


def chosen(found: dict[str, Model], precision: str) -> Model:
    """Return the version that answers where a request names none: of that precision, else fp32."""
    return found.get(VERSIONS[precision], found[VERSIONS["fp32"]])


class Ticket(Generic[T]):
    """Work in the queue. It keeps its place there, but drops what it holds, once nobody waits for the answer."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work: Callable[[], T] | None = work

    def __call__(self) -> T:
        """Do the work, unless it was abandoned."""
        work = self.work
        if work is None:
            raise asyncio.CancelledError
        return work()


class Desk:
    """The models and indexes of a worker process, and the threads that answer for them."""

    def __init__(self, settings: Settings, folder: Path, names: list[str], indexes: Iterable[Path] = ()) -> None:
        self.settings = settings
        self.versions = {name: editions(folder / name, settings) for name in names}
        self.models = {name: chosen(found, settings.precision) for name, found in self.versions.items()}
        self.galleries = {one.name: Gallery(one, settings.threads, settings.max_pixels) for one in indexes}
        self.remote = Remote(settings)
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="predict")
        self._under_way = 0
        self.leaving = False

    def full(self, coming: int = 0) -> bool:
        """Tell whether one more request would be refused, once those that are coming are in the queue.

        They count for half of it at most: clients who never come shall keep nobody out.
        """
        places = self.settings.queue + self.settings.concurrency
        return self._under_way + min(coming, places // 2) >= places

    @property
    def crowded(self) -> str:
        """Why one more request would be refused."""
        return f"{self.settings.queue} requests are waiting already"

    def model(self, name: str) -> Model:
        """Return a model by name, or raise UnknownModel."""
        try:
            return self.models[name]
        except KeyError:
            raise UnknownModel(name, list(self.models)) from None

    def edition(self, name: str, version: str | None) -> Model:
        """Return a version of a model, its default one for None; raise UnknownModel or UnknownVersion."""
        default = self.model(name)
        if version is None:
            return default
        try:
            return self.versions[name][version]
        except KeyError:
            raise UnknownVersion(name, version, list(self.versions[name])) from None

    def gallery(self, name: str) -> Gallery:
        """Return an index by name, or raise UnknownIndex."""
        try:
            return self.galleries[name]
        except KeyError:
            raise UnknownIndex(name, list(self.galleries)) from None

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in the pool; raise Busy instead of letting the queue grow or the caller hang."""
        if self.full():
            raise Busy(self.crowded, after=1)
        loop = asyncio.get_running_loop()
        ticket = Ticket(work)
        future = self._pool.submit(ticket)
        self._under_way += 1
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self.settings.timeout)
        except TimeoutError:
            raise Busy(f"no answer within {self.settings.timeout:g} s", after=2) from None
        finally:
            ticket.work = None

    def _leave(self) -> None:
        self._under_way -= 1
