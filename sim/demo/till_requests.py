"""A till's ear: the requests that the agent streams to it, each once, and the till's answers to them."""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final, Literal

from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import BaseModel, ConfigDict

from kiosk.sse import Messages

__all__ = ["Asked", "TillRequestLine"]

TRY_AGAIN_AFTER_S: Final = 0.1
ANSWER_TIMEOUT_S: Final = 5.0
QUIET_MAX_S: Final = 40.0  # the agent says something every 15 s


class Asked(BaseModel):
    """One request."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    request_id: str
    basket_id: str
    kind: Literal["add_item", "remove_item"]
    sku: str
    quantity: str


class TillRequestLine:
    """One till's stream of requests; it is taken up again where it broke off."""

    def __init__(self, session: ClientSession, url: str, headers: dict[str, str], till_id: str) -> None:
        self._session = session
        self._url = f"{url}/v1/tills/{till_id}/requests"
        self._headers = headers
        self._last_id = ""

    async def requests(self) -> AsyncGenerator[Asked, None]:
        """Every request, until cancelled. One that the agent asks again after its restart comes again."""
        while True:
            try:
                async for asked in self._connected():
                    self._last_id = asked.request_id
                    yield asked
            except (ClientError, OSError):  # TimeoutError is an OSError
                pass
            await asyncio.sleep(TRY_AGAIN_AFTER_S)

    async def answer(self, request_id: str, refusal: str | None) -> bool:
        """Tell the agent until it has heard; False when it no longer wants to know: expired, or it was restarted."""
        outcome = {"outcome": "done"} if refusal is None else {"outcome": "refused", "reason": refusal}
        while True:
            try:
                async with self._session.post(
                    f"{self._url}/{request_id}",
                    json=outcome,
                    headers=self._headers,
                    timeout=ClientTimeout(ANSWER_TIMEOUT_S),
                ) as response:
                    await response.read()
                    if response.status < HTTPStatus.BAD_REQUEST:
                        return True
                    if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                        return False
            except (ClientError, OSError):
                pass
            await asyncio.sleep(TRY_AGAIN_AFTER_S)

    async def _connected(self) -> AsyncGenerator[Asked, None]:
        last = {"Last-Event-ID": self._last_id} if self._last_id else {}
        headers = self._headers | last | {"Accept": "text/event-stream"}
        timeout = ClientTimeout(total=None, sock_connect=ANSWER_TIMEOUT_S, sock_read=QUIET_MAX_S)
        async with self._session.get(self._url, headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            messages = Messages()
            async for received in response.content.iter_any():
                for message in messages.feed(received):
                    if message.event == "request":
                        yield Asked.model_validate_json(message.data)
