"""Refusals that several protocols share; each says itself what to do."""


class Busy(Exception):
    """The queue is full, or a request waited too long; `after` is when to try again, seconds."""

    def __init__(self, message: str, after: int) -> None:
        super().__init__(message)
        self.after = after


class UnknownModel(KeyError):
    """There is no such model; the message names those there are."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name)
        self.message = f"Model not found: {name}. There are: {', '.join(known)}"
