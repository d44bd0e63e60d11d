"""How thin clients talk to the orchestrator: HTTP in, typed events out, always as the signed-in person."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, TypeAdapter

from orchestrator.protocol import (
    CatalogView,
    ErrorBody,
    ToolReply,
    TurnEvent,
    TurnReply,
    TurnRequest,
    turn_event,
)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class OrchestratorError(Exception):
    """The orchestrator said no, or could not be reached: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str, status: int = 0, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class SignedIn(BaseModel):
    """A person and the tokens of their session."""

    class User(BaseModel):
        id: str
        email: str
        first_name: str = ""
        last_name: str = ""
        roles: list[str] = []
        timezone: str = "UTC"

    class TokenPair(BaseModel):
        access_token: str
        refresh_token: str = ""
        expires_in: int = 0

    user: User
    tokens: TokenPair


@dataclass(frozen=True)
class FeedEvent:
    """One event of the live feed."""

    id: str
    kind: str
    data: str


class OrchestratorClient:
    """One orchestrator, spoken to for many people: each call takes that person's access token."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, transport=transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def sign_in_with_pin(
        self, pin: str, email: str | None = None, phone: str | None = None, address: str | None = None
    ) -> SignedIn:
        """Sign in by PIN; `address` is where the person really comes from. Raises OrchestratorError."""
        body = {"pin": pin, "email": email, "phone": phone}
        headers = {"X-Forwarded-For": address} if address else {}
        answer = await self._send("POST", "/api/auth/pin", json=body, headers=headers)
        return SignedIn.model_validate(answer)

    async def sign_in_with_password(self, email: str, password: str) -> SignedIn:
        """Sign in by email and password. Raises OrchestratorError."""
        answer = await self._send("POST", "/api/auth/login", json={"email": email, "password": password})
        return SignedIn.model_validate(answer)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """A fresh pair of tokens. Raises OrchestratorError."""
        answer = await self._send("POST", "/api/auth/refresh", json={"refresh_token": refresh_token})
        return SignedIn.model_validate(answer)

    async def profile(self, token: str) -> SignedIn.User:
        """The person that a token belongs to. Raises OrchestratorError."""
        return SignedIn.User.model_validate(await self._send("GET", "/api/auth/profile", token))

    async def turn(self, request: TurnRequest, token: str) -> AsyncIterator[TurnEvent]:
        """Run a turn; events come as they happen, and closing the iterator interrupts it. Raises OrchestratorError."""
        sending = self._http.stream(
            "POST",
            "/agent/turns",
            json=request.model_dump(mode="json"),
            headers={**_bearer(token), "Accept": "text/event-stream"},
            timeout=STREAM_TIMEOUT,
        )
        try:
            async with sending as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise _error(response)
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield turn_event.validate_json(line.removeprefix("data:").strip())
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def process(self, request: TurnRequest, token: str) -> TurnReply:
        """Run a turn and wait for its end. Raises OrchestratorError."""
        answer = await self._send("POST", "/agent/process", token, json=request.model_dump(mode="json"))
        return TurnReply.model_validate(answer)

    async def tools(self, token: str) -> CatalogView:
        """The model's catalogue and the health of each server. Raises OrchestratorError."""
        return CatalogView.model_validate(await self._send("GET", "/agent/tools", token))

    async def call_tool(self, name: str, arguments: dict[str, Any], token: str) -> ToolReply:
        """Call one tool as the person. Raises OrchestratorError."""
        body = {"arguments": arguments}
        return ToolReply.model_validate(await self._send("POST", f"/agent/tools/{name}", token, json=body))

    async def heard(self, thread_id: str, turn_id: str, text: str, token: str) -> None:
        """Tell what the person heard of a turn. Raises OrchestratorError."""
        body = {"turn_id": turn_id, "text": text}
        await self._send("POST", f"/agent/threads/{thread_id}/heard", token, json=body)

    async def vocabulary(self, token: str) -> list[str]:
        """Words that a recogniser should expect of this person. Raises OrchestratorError."""
        answer = await self._send("GET", "/agent/vocabulary", token)
        return TypeAdapter(list[str]).validate_python(answer["words"])

    async def decide(self, approval_id: str, approved: bool, token: str) -> ToolReply:
        """Answer an open question; the tool runs on a yes. Raises OrchestratorError."""
        answer = await self._send("POST", f"/agent/approvals/{approval_id}", token, json={"approved": approved})
        return ToolReply.model_validate(answer)

    async def feed(self, token: str) -> AsyncIterator[FeedEvent]:
        """The person's live news. Raises OrchestratorError."""
        headers = {**_bearer(token), "Accept": "text/event-stream"}
        try:
            async with self._http.stream("GET", "/agent/feed", headers=headers, timeout=STREAM_TIMEOUT) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise _error(response)
                fields: dict[str, str] = {}
                async for line in response.aiter_lines():
                    name, _, value = line.partition(":")
                    if not line and "data" in fields:
                        yield FeedEvent(fields.get("id", ""), fields.get("event", "message"), fields["data"])
                        fields = {}
                    elif name:
                        fields[name] = value.strip()
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def health(self) -> dict[str, Any]:
        """What the platform says of itself. Raises OrchestratorError."""
        return await self._send("GET", "/health")

    async def request(self, method: str, path: str, token: str, json: object = None) -> Any:
        """Any other path of the agent API. Raises OrchestratorError."""
        return await self._send(method, path, token, json=json)

    async def _send(
        self,
        method: str,
        path: str,
        token: str | None = None,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        try:
            response = await self._http.request(
                method, path, json=json, headers={**(headers or {}), **(_bearer(token) if token else {})}
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if response.status_code >= 400:
            raise _error(response)
        return response.json() if response.content else None


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _error(response: httpx.Response) -> OrchestratorError:
    try:
        body = response.json()
        error = ErrorBody.model_validate(body)
        retry = body.get("retry_after_seconds")
    except ValueError:
        return OrchestratorError(
            "failed", f"The platform answered with status {response.status_code}.", response.status_code
        )
    return OrchestratorError(error.code, error.message, response.status_code, retry)


def _unreachable(error: httpx.HTTPError) -> OrchestratorError:
    return OrchestratorError("unreachable", f"The platform cannot be reached ({type(error).__name__}).")
