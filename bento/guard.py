"""Headers by which a browser loads nothing from elsewhere, runs nothing but our file, and tells nobody."""

from starlette.types import Message, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}
ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def guarded(send: Send) -> Send:
    """Return a send that puts the headers on every response."""

    async def on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *ENCODED]
        await send(message)

    return on
