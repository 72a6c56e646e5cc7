"""What the server answers about sessions, tasks and jobs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rig_capture.console.context import SERVICES, Services
from rig_capture.console.control import body
from rig_capture.console.errors import ConsoleError, NotThere, WrongRequest
from rig_capture.console.live import to_json
from rig_capture.console.sessions import REPORT
from rig_capture.recorder.errors import JobError, UnknownJob
from rig_capture.recorder.jobs.jobs import Job, JobStore

_MOST_LISTED = 500
_REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


class JobBody(BaseModel):
    """A recording to come, as `rig jobs add` takes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(gt=0, allow_inf_nan=False)
    start_at: AwareDatetime | None = None
    repeat_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    grace_s: float = Field(60.0, ge=0, allow_inf_nan=False)
    label: str = Field("", max_length=1000)
    participant: str = Field("", max_length=1000)
    testing_mode: bool = False
    topics: tuple[str, ...] = ()


async def sessions(request: web.Request) -> web.Response:
    """The sessions, the newest first; `limit`, `offset`, `state` and `text` choose among them."""
    services, query = request.app[SERVICES], request.query
    limit, offset = min(_whole(query, "limit", 50), _MOST_LISTED), _whole(query, "offset", 0)
    state, text = query.get("state", ""), query.get("text", "").lower()
    rows = await services.on_disk(lambda: services.book.rows(services.place.sessions, _uploading(services)))
    chosen = [row for row in rows if (not state or state in row["states"]) and (not text or text in _words(row))]
    shown = [_with_report(services, row) for row in chosen[offset : offset + limit]]
    return web.json_response({"sessions": shown, "total": len(chosen)}, dumps=to_json)


async def session(request: web.Request) -> web.Response:
    """One session with streams, files, losses, chunks."""
    services, name = request.app[SERVICES], request.match_info["name"]
    found = await services.on_disk(lambda: services.book.detail(services.place.sessions, name, _uploading(services)))
    return web.json_response(_with_report(services, found), dumps=to_json)


async def verify(request: web.Request) -> web.Response:
    """Has a session read once more."""
    return await _task(request, "verify")


async def make_report(request: web.Request) -> web.Response:
    """Has a quality report made."""
    return await _task(request, "report")


async def report(request: web.Request) -> web.Response:
    """The quality report that was made last; a page that may do nothing at all."""
    services, name = request.app[SERVICES], request.match_info["name"]

    def read() -> bytes:
        found = services.book.found(services.place.sessions, name)
        for path in (services.media.report(found.name), found / REPORT):
            if path.is_file() and not path.is_symlink():
                return path.read_bytes()
        raise NotThere(f"{name}: there is no quality report yet; POST here makes one")

    page = await services.on_disk(read)
    return web.Response(body=page, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": _REPORT_POLICY})


async def media(request: web.Request) -> web.StreamResponse:
    """A chunk of pictures or sound, as browsers play it; parts of it on request (Range)."""
    services, match = request.app[SERVICES], request.match_info
    chunk, _, suffix = match["chunk"].rpartition(".")
    reserve = services.place.profile.storage_reserve

    def ready() -> Path:
        part, wanted = services.book.part(services.place.sessions, match["name"], match["stream"], chunk)
        if suffix != wanted:
            raise NotThere(f"{match['stream']} is served as .{wanted}, not as .{suffix[:20]}")
        return services.media.ready(part, wanted, services.settings.media_cache, reserve)

    return web.FileResponse(await services.on_disk(ready), headers={"Cache-Control": "private, max-age=3600"})


async def tasks(request: web.Request) -> web.Response:
    """All tasks, the newest first."""
    return web.json_response({"tasks": request.app[SERVICES].tasks.all()}, dumps=to_json)


async def task(request: web.Request) -> web.Response:
    """How far a task is, and what came of it."""
    return web.json_response(request.app[SERVICES].tasks.told(request.match_info["id"]), dumps=to_json)


async def jobs(request: web.Request) -> web.Response:
    """Recordings to come, and those that were."""
    services = request.app[SERVICES]
    found = await services.on_disk(lambda: _jobs(services))
    return web.json_response({"jobs": found}, dumps=to_json)


async def add_job(request: web.Request) -> web.Response:
    """Puts a recording on the queue."""
    services, wanted = request.app[SERVICES], await body(request, JobBody)
    if wanted.start_at is not None and wanted.start_at < datetime.now(UTC):
        raise WrongRequest(f"start_at: {wanted.start_at.isoformat()} is over")
    if wanted.repeat_s and wanted.start_at is None:
        raise WrongRequest("repeat_s: a recording that comes again needs start_at")
    job = await services.on_disk(lambda: _changed(services, lambda store: store.add(datetime.now(UTC), **dict(wanted))))
    return web.json_response(job, dumps=to_json)


async def cancel_job(request: web.Request) -> web.Response:
    """Cancels a job; of one that runs the data is removed, unless `keep=1` is given."""
    services, job_id, keep = request.app[SERVICES], request.match_info["id"], request.query.get("keep", "") in ("1", "true")
    job = await services.on_disk(lambda: _changed(services, lambda store: store.cancel(job_id, datetime.now(UTC), keep_data=keep)))
    return web.json_response(job, dumps=to_json)


def add_routes(router: web.UrlDispatcher) -> None:
    """Under /api/sessions, /api/tasks, /api/jobs."""
    router.add_get("/api/sessions", sessions)
    router.add_get("/api/sessions/{name}", session)
    router.add_post("/api/sessions/{name}/verify", verify)
    router.add_get("/api/sessions/{name}/report", report)
    router.add_post("/api/sessions/{name}/report", make_report)
    router.add_get("/api/sessions/{name}/media/{stream}/{chunk}", media)
    router.add_get("/api/tasks", tasks)
    router.add_get("/api/tasks/{id}", task)
    router.add_get("/api/jobs", jobs)
    router.add_post("/api/jobs", add_job)
    router.add_delete("/api/jobs/{id}", cancel_job)


async def _task(request: web.Request, kind: str) -> web.Response:
    services, name = request.app[SERVICES], request.match_info["name"]
    found = await services.on_disk(lambda: services.book.found(services.place.sessions, name))
    added = services.tasks.add(kind, found, services.media.report(found.name) if kind == "report" else None)
    return web.json_response({"task": added.id}, status=202)


def _jobs(services: Services) -> list[dict[str, Any]]:
    try:
        return [job.model_dump(mode="json") for job in JobStore(services.place.jobs).jobs()]
    except JobError as error:
        raise ConsoleError(str(error)) from error


def _changed(services: Services, change: Callable[[JobStore], Job]) -> dict[str, Any]:
    try:
        job = change(JobStore(services.place.jobs))
    except UnknownJob as error:
        raise NotThere(str(error)) from error
    except JobError as error:
        raise WrongRequest(str(error)) from error
    except OSError as error:
        raise ConsoleError(f"{services.place.jobs}: the job can't be written: {error.strerror}; make room, or mend the disk") from error
    return job.model_dump(mode="json")


def _with_report(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    return row | {"has_report": row["has_report"] or services.media.report(row["name"]).is_file()}


def _uploading(services: Services) -> str:
    uploader = services.hub.values.get("status", {}).get("uploader") or {}
    return str(uploader.get("current", ""))


def _words(row: dict[str, Any]) -> str:
    return " ".join(str(row.get(key, "")) for key in ("name", "recording_id", "label", "participant", "started_at")).lower()


def _whole(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key, "")
    if not text:
        return default
    if not text.isdecimal():
        raise WrongRequest(f"{key}: a whole number belongs here (it is {text[:40]!r})")
    return int(text)
