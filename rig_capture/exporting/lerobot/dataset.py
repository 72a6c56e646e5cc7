"""A dataset of several sessions, and the files in its folder meta."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from rig_capture.exporting.errors import ExportError, WrongWish
from rig_capture.exporting.export import made_whole
from rig_capture.exporting.lerobot.episode import DATA_PATH, FILES_PER_CHUNK, VIDEO_PATH, Episode, UnfitStream, write_episode
from rig_capture.exporting.lerobot.plan import Plan, differences
from rig_capture.exporting.lerobot.statistics import together
from rig_capture.exporting.tables import pyarrow_modules
from rig_capture.exporting.wish import Exported, Progress, Wish, Work
from rig_capture.reading.session import open_session

_VERSION = "v3.0"


def export_dataset(paths: Sequence[Path], out: Path, wish: Wish, progress: Progress) -> list[Exported]:
    """Makes one dataset, with an episode per session.

    Args:
        paths: of the sessions, in the order of the episodes.
        out: the dataset's folder, which must not be there.
        wish: what is to be made.
        progress: told how far it is.

    Returns:
        What was made of each session.

    Raises:
        WrongWish: the folder is there, or the sessions do not fit together.
        ExportError: one can't be exported; nothing was left behind.
        SessionError: one is no session, or a package is missing.
    """
    pyarrow_modules()
    with made_whole(out) as folder:
        plans = [_plan(path, out, wish, folder, progress) for path in paths]
        fps = plans[0].rate()
        features = plans[0].features(fps)
        for plan in plans[1:]:
            others = list(differences(plan.features(fps), features))
            if others:
                raise WrongWish(
                    f"{plan.work.session.path}: does not fit {plans[0].work.session.path}: {'; '.join(others)}; "
                    "the episodes of a dataset have the same features: choose with --stream"
                )
        tasks: dict[str, int] = {}
        episodes: list[Episode] = []
        for plan in plans:
            task = plan.work.session.manifest.label or "recording"
            episode = Episode(len(episodes), task)
            try:
                write_episode(plan, fps, episode, sum(each.rows for each in episodes), tasks.setdefault(task, len(tasks)))
            except (UnfitStream, av.FFmpegError) as error:
                raise ExportError(f"{plan.work.session.path}: can't become an episode: {error}") from error
            episodes.append(episode)
        _write_meta(folder, plans, episodes, tasks, features, fps)
    return [plan.work.exported for plan in plans]


def _plan(path: Path, out: Path, wish: Wish, folder: Path, progress: Progress) -> Plan:
    session = open_session(path, clock=wish.clock)
    exported = Exported(str(path), session.recording_id, wish.format, str(out), clock=wish.clock)
    return Plan.of(Work(session, wish, folder, exported, progress))


def _write_meta(
    folder: Path, plans: Sequence[Plan], episodes: Sequence[Episode], tasks: dict[str, int], features: dict[str, Any], fps: int
) -> None:
    total = sum(episode.rows for episode in episodes)
    cameras = plans[0].cameras
    info = {
        "codebase_version": _VERSION,
        "robot_type": plans[0].work.session.manifest.rig,
        "total_episodes": len(episodes),
        "total_frames": total,
        "total_tasks": len(tasks),
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if cameras else None,
        "features": features,
    }
    meta = folder / "meta"
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    _write_json(meta / "info.json", info)
    whole = {name: together([episode.statistics[name] for episode in episodes]) for name in features}
    _write_json(meta / "stats.json", {name: {key: each.tolist() for key, each in found.items()} for name, found in whole.items()})
    _write_tasks(meta / "tasks.parquet", tasks)
    _write_episodes(meta / "episodes" / "chunk-000" / "file-000.parquet", episodes, list(cameras), fps)
    told = [
        {"episode_index": episode.index, "first_stamp_ns": episode.first_ns, **plan.work.exported.as_json()}
        for plan, episode in zip(plans, episodes, strict=True)
    ]
    _write_json(meta / "rig_capture.json", {"episodes": told})


def _write_tasks(path: Path, tasks: dict[str, int]) -> None:
    """The task is the index of the table, which pandas finds by the metadata of the file."""
    pa, pq = pyarrow_modules()
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ]
    metadata = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), "task": pa.array(list(tasks), pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(metadata)}), path)


def _write_episodes(path: Path, episodes: Sequence[Episode], cameras: Sequence[str], fps: int) -> None:
    pa, pq = pyarrow_modules()
    rows, first = [], 0
    for episode in episodes:
        row: dict[str, Any] = {"episode_index": episode.index, "tasks": [episode.task], "length": episode.rows}
        row |= {f"data/{key}": value for key, value in episode.place.items()}
        row |= {"dataset_from_index": first, "dataset_to_index": first + episode.rows}
        for camera in cameras:
            row |= {f"videos/{camera}/{key}": value for key, value in episode.place.items()}
            row |= {f"videos/{camera}/from_timestamp": 0.0, f"videos/{camera}/to_timestamp": episode.rows / fps}
        for name, found in episode.statistics.items():
            row |= {f"stats/{name}/{key}": value.tolist() for key, value in found.items()}
        rows.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        first += episode.rows
    pq.write_table(pa.Table.from_pylist(rows), path)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
