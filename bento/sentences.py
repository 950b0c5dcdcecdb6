"""Errors in one plain sentence or two for people: what is wrong, and what to do."""

from starlette.exceptions import HTTPException

from bento.refusals import Busy, UnknownArtwork, UnknownIndex, UnknownModel
from bento.remote import Unfetchable
from bento.settings import Settings
from bento.tensors import Malformed
from stages.core.image import NotAPicture, TooLarge, Undecodable
from stages.index.conditional.where import UnknownColumn, UnknownLabel


class NothingSent(Malformed):
    """A request without a picture."""


KINDS: dict[type[Exception], str] = {
    NothingSent: "No picture was chosen. Choose one, then try again.",
    NotAPicture: "{file} is not a picture that can be read here. JPEG, PNG and WebP are: choose one of those.",
    TooLarge: "{file} has more than {megapixels:g} megapixels. Make it smaller, then try again.",
    Undecodable: "{file} is damaged and cannot be read. Save it anew, or choose another picture.",
    Busy: "Many pictures are waiting at the moment. Try again in a few seconds.",
    UnknownModel: "There is no such model. Choose one of these.",
    UnknownIndex: "There is no such collection. Choose one of these.",
    UnknownArtwork: "This collection has no such picture. Choose another, or one of your own.",
}
STATUSES = {
    404: "There is no such page. Choose one of these.",
    405: "This address cannot do that. Choose a picture here instead.",
}
UNREADABLE = "The form could not be read. Choose one picture and send it again."
BROKEN = "Something went wrong here, not with your picture. Try again in a moment."
SLOW = "The picture took too long to arrive. Try again, or choose a smaller one."
LOST = "The connection was lost before the answer came. Check it, then try again."


def sentence(error: Exception, file: str, settings: Settings) -> str:
    """Return what to tell a person of an error; `file` is the picture's name, empty where it has none."""
    if isinstance(error, HTTPException):
        return STATUSES.get(error.status_code, UNREADABLE)
    for kind, words in KINDS.items():
        if isinstance(error, kind):
            return words.format(file=quoted(file), megapixels=settings.max_megapixels)
    if isinstance(error, Unfetchable):
        why = str(error).removeprefix("url: ")
        return f"That address gives no picture ({why}). Choose another, or send the picture itself."
    if isinstance(error, (Malformed, UnknownColumn, UnknownLabel)):
        said = str(error)
        return f"{said[:1].upper()}{said[1:]}."
    return BROKEN


def too_large(limit: int) -> str:
    """Return what to tell a person whose file is larger than `limit` bytes."""
    return f"The file is larger than {limit / 2**20:g} MB. Choose a smaller one, or make it smaller."


def quoted(file: str) -> str:
    """Return a file's name in quotation marks, shortened."""
    return f"“{file if len(file) <= 60 else file[:57] + '…'}”" if file else "That file"
