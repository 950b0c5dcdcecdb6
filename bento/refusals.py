"""Refusals that several protocols share; each says itself what to do."""


class Busy(Exception):
    """The queue is full, or a request waited too long; `after` is when to try again, seconds."""

    def __init__(self, message: str, after: int) -> None:
        super().__init__(message)
        self.after = after


class NotThere(KeyError):
    """Something was asked for by a name that nothing has; the message says what there is."""

    kind = "Name"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name)
        self.message = f"{self.kind} not found: {name}. There are: {', '.join(known) or 'none'}"


class UnknownModel(NotThere):
    """There is no such model; the message names those there are."""

    kind = "Model"


class UnknownVersion(NotThere):
    """A model has no such version; the message names those it has."""

    def __init__(self, name: str, version: str, known: list[str]) -> None:
        super().__init__(name, known)
        self.model, self.known = name, known
        self.message = f"Model {name} has no version {version[:40]}; there is {', '.join(known)}"


class UnknownIndex(NotThere):
    """There is no such index; the message names those there are."""

    kind = "Index"


class UnknownArtwork(NotThere):
    """There is no such picture in an index."""

    def __init__(self, name: str, index: str, count: int) -> None:
        super().__init__(name, [])
        self.message = f"id: {name[:100]!r} is none of the {count} pictures of {index}"
