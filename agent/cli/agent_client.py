"""How a command calls the running agent: over its Unix socket, with its refusals as our errors."""

import errno
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from agent.errors import CallerError, EnvironmentFault, PeerError, Problem

__all__ = ["AgentCallRefused", "AgentClient", "AgentOutOfReach", "NoAgent"]

TIMEOUT_S: Final = 10.0
_URL: Final = "http://localhost"  # the host of a URL that goes through a socket file


class NoAgent(EnvironmentFault):
    """No agent answers on the data folder's socket."""


class AgentOutOfReach(EnvironmentFault):
    """An agent may be there, but this user cannot connect to it."""


class AgentCallRefused(CallerError):
    """The agent answered with a problem document."""

    def __init__(self, status: int, detail: str, *problems: Problem) -> None:
        super().__init__(detail)
        self.status = status
        self.problems = problems


class AgentClient:
    """One connection to the agent of a data folder; use it in `async with`."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket_path)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # Any: the document is JSON
        """The JSON document at a path.

        Raises:
            NoAgent: when nobody answers.
            AgentCallRefused: when the agent says no.
        """
        return await self._call("GET", path, query, None, "", TIMEOUT_S)

    async def post(
        self,
        path: str,
        body: bytes | AsyncIterator[bytes],
        media_type: str,
        query: Mapping[str, str] | None = None,
        timeout_s: float | None = TIMEOUT_S,
    ) -> Any:  # Any: the document is JSON
        """The JSON answer to a body.

        Raises:
            NoAgent, AgentCallRefused: as `get`.
        """
        return await self._call("POST", path, query, body, media_type, timeout_s)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | AsyncIterator[bytes] | None,
        media_type: str,
        timeout_s: float | None,
    ) -> Any:  # Any: the document is JSON
        headers = {"Content-Type": media_type} if media_type else None
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(
                method, _URL + path, params=query, data=body, headers=headers, timeout=timeout
            ) as response:
                return _document(response.status, await response.read())
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(self._socket_path, error.os_error) from error
        except aiohttp.ClientError as error:
            raise PeerError(f"the agent on {self._socket_path} broke off: {error}") from error
        except TimeoutError:
            raise PeerError(f"the agent on {self._socket_path} did not answer within {timeout_s:g} s") from None


def _unreachable(socket_path: Path, error: OSError) -> NoAgent | AgentOutOfReach:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return NoAgent(
            f"no agent is running on this data folder (nobody answers on {socket_path}): "
            "start it with storeforward run, or name another folder with --data"
        )
    hint = "is this user in the group of that file?" if error.errno == errno.EACCES else "check the path"
    return AgentOutOfReach(f"cannot connect to {socket_path} ({error.strerror}): {hint}")


def _document(status: int, body: bytes) -> Any:  # Any: the document is JSON
    try:
        document = json.loads(body)
    except ValueError:
        raise PeerError(f"the agent answered with status {status} and no JSON") from None
    if status >= HTTPStatus.BAD_REQUEST:
        problems = [Problem(item["path"], item["problem"], item["expected"]) for item in document.get("problems", [])]
        raise AgentCallRefused(status, document.get("detail", f"status {status}"), *problems)
    return document
