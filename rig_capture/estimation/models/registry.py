"""Which models there are: kinds by the entry points of the group `rig_capture.models`, and the files of each kind in the model folder.

A model is called by its kind, and a file of it where it has files: `motion`, `onnx:rtmpose-m`, `onnx:/data/my-card.yaml`.
"""

import importlib.util
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rig_capture.estimation.errors import ExtraMissing, ModelError, ModelMissing, UnknownModel
from rig_capture.estimation.models.kind import FoundModel, ModelKind
from rig_capture.estimation.models.model import Model
from rig_capture.profiles.places import models_dir

GROUP = "rig_capture.models"
DEFAULT_MODEL = "motion"


def model_kinds() -> dict[str, ModelKind]:
    """All kinds by name, of this package and of others that are installed; those that can't be imported are left out."""
    return {name: kind for name, kind in ((each.name, _loaded(each)) for each in _entries().values()) if isinstance(kind, ModelKind)}


def load_model(name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """Loads a model.

    Args:
        name: of a kind; with a colon, also which of its files, by name in the model folder or by path.
        settings: of the kind; none: its defaults.

    Raises:
        UnknownModel: there is no such kind.
        ModelMissing: its file is not there, or none is named where there are several.
        ExtraMissing: it needs packages that are not installed.
        ModelError: it can't be used, or the settings are wrong.
    """
    kind_name, _, source = name.partition(":")
    entry = _entries().get(kind_name)
    if entry is None:
        raise UnknownModel(f"there is no model {name!r}; there are {', '.join(sorted(_entries()))} (`rig estimate models`)")
    kind = _loaded(entry)
    if not isinstance(kind, ModelKind):
        raise ModelError(f"{kind_name}: its package can't be used: {kind}")
    if kind.module and importlib.util.find_spec(kind.module) is None:
        raise ExtraMissing(f"the model {kind_name}", kind.extra, f"no module {kind.module}")
    if not kind.pattern:
        if source:
            raise ModelMissing(f"{name}: {kind_name} has no files; call it {kind_name}")
        return kind.load(Path(), settings or {})
    return kind.load(_file(kind_name, kind, source), settings or {})


def find_models() -> list[FoundModel]:
    """All models that can be called, and kinds without files, each with what keeps it from being used."""
    found = []
    for name, entry in sorted(_entries().items()):
        kind = _loaded(entry)
        if not isinstance(kind, ModelKind):
            found.append(FoundModel(name, "", f"its package can't be used: {kind}"))
            continue
        missing = kind.module and importlib.util.find_spec(kind.module) is None
        problem = f"run: ./rig extra {kind.extra}" if missing else ""
        files = _files(kind)
        if kind.pattern and not files:
            where = f"put {kind.file_help} into the model folder"
            found.append(FoundModel(name, kind.summary, f"{problem}; {where}" if problem else where))
        names = [f"{name}:{each}" for each in files] if kind.pattern else [name]
        found += [FoundModel(each, kind.summary, problem) for each in names]
    return found


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> ModelKind | Exception:
    try:
        kind = entry.load()
    except (ImportError, AttributeError) as error:
        return error
    return kind if isinstance(kind, ModelKind) else TypeError(f"{entry.value} is no ModelKind")


def _files(kind: ModelKind) -> dict[str, Path]:
    """Files of a kind in the model folder, by the names they are called by."""
    folder = models_dir()
    if not kind.pattern or not folder.is_dir():
        return {}
    return {_name(kind, path): path for path in sorted(folder.glob(kind.pattern))}


def _name(kind: ModelKind, path: Path) -> str:
    return path.parent.name if "/" in kind.pattern else path.stem


def _file(name: str, kind: ModelKind, source: str) -> Path:
    files = _files(kind)
    if not source:
        if len(files) == 1:
            return next(iter(files.values()))
        there = f"there are {', '.join(files)}" if files else f"put {kind.file_help} into {models_dir()}"
        raise ModelMissing(f"{name}: say which, such as {name}:{next(iter(files), 'NAME')}; {there}")
    if source in files:
        return files[source]
    path = Path(source).expanduser()
    if path.exists():
        return path / Path(kind.pattern).name if path.is_dir() and "/" in kind.pattern else path
    raise ModelMissing(
        f"{name}:{source}: there is no such file, and {models_dir()} holds {', '.join(files) or 'none of this kind'}; "
        f"put {kind.file_help} there, or give its path"
    )
