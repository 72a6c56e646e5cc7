"""Recordings started, stopped, cancelled from the page."""

import asyncio
import json
from concurrent.futures import Future
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_capture.console.context import SERVICES
from rig_capture.console.errors import NodeSilent, RigSaysNo, WrongRequest
from rig_capture.console.rig import Answer

_ANSWER_S = 120.0

M = TypeVar("M", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StartBody(_Body):
    """What is recorded, as in StartRecording.srv."""

    participant: str = Field("", max_length=1000)
    label: str = Field("", max_length=1000)
    duration_s: float = Field(0.0, ge=0, le=10 * 86400, allow_inf_nan=False)
    testing_mode: bool = False
    topics: list[str] = []


class CancelBody(_Body):
    """Whether data stays on this machine."""

    keep: bool = False


class TriggerBody(_Body):
    """An event, as in TriggerRecording.srv."""

    label: str = Field("", max_length=1000)
    lookback_s: float = Field(0.0, ge=-1, le=3600, allow_inf_nan=False)
    lookahead_s: float = Field(0.0, ge=0, le=86400, allow_inf_nan=False)


async def body(request: web.Request, model: type[M]) -> M:
    """The body of a request, which may be empty where nothing is required. Raises WrongRequest."""
    text = await request.text()
    try:
        values = json.loads(text) if text else {}
    except ValueError as error:
        raise WrongRequest(f"the body is no JSON: {error}") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in error.errors())
        raise WrongRequest("; ".join(problems)) from error


async def start(request: web.Request) -> web.Response:
    """Starts a recording; answers once every required device is being written."""
    wanted = await body(request, StartBody)
    return await _answered(request.app[SERVICES].rig.start_recording(wanted.model_dump()))


async def stop(request: web.Request) -> web.Response:
    """Stops it; answers once its files are closed."""
    return await _answered(request.app[SERVICES].rig.stop_recording())


async def cancel(request: web.Request) -> web.Response:
    """Ends it without uploading it; its data is removed unless kept."""
    wanted = await body(request, CancelBody)
    return await _answered(request.app[SERVICES].rig.cancel_recording(wanted.keep))


async def trigger(request: web.Request) -> web.Response:
    """Saves what just happened."""
    wanted = await body(request, TriggerBody)
    return await _answered(request.app[SERVICES].rig.trigger_recording(wanted.model_dump()))


async def _answered(future: "Future[Answer]") -> web.Response:
    try:
        answer = await asyncio.wait_for(asyncio.wrap_future(future), _ANSWER_S)
    except TimeoutError as error:
        raise NodeSilent(f"the recorder did not answer within {_ANSWER_S:g} s; see its log") from error
    if not answer["success"]:
        raise RigSaysNo(answer["message"])
    return web.json_response(answer)


def add_routes(router: web.UrlDispatcher) -> None:
    """Under /api/recording/."""
    for handler in (start, stop, cancel, trigger):
        router.add_post(f"/api/recording/{handler.__name__}", handler)
