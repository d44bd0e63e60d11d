"""Errors that a client of the orchestrator sees: a code, a sentence, a status."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


class PlatformError(Exception):
    """An error with a code for programs and a sentence for people."""

    def __init__(self, code: str, message: str, status: int = 400, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds


def answer_errors(app: FastAPI) -> None:
    """Answer every error of an application as `{"code", "message"}`."""

    @app.exception_handler(PlatformError)
    async def platform_error(request: Request, error: PlatformError) -> JSONResponse:
        body: dict[str, str | int] = {"code": error.code, "message": error.message}
        headers = {}
        if error.retry_after_seconds is not None:
            body["retry_after_seconds"] = error.retry_after_seconds
            headers["Retry-After"] = str(error.retry_after_seconds)
        return JSONResponse(body, status_code=error.status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        return JSONResponse({"code": "invalid", "message": f"{where}: {first['msg']}."}, status_code=422)
