"""Server-sent events whose source is closed the moment the client goes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Send


class EventStream(StreamingResponse):
    """A `text/event-stream` answer; closing the connection closes the generator, and with it the work behind it."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[str, None]) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.frames = frames

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.frames):
            await super().stream_response(send)
