"""V4L2 devices that deliver pictures, with formats, sizes and rates."""

import ctypes
import errno
from collections.abc import Iterator

from rig_capture.sensing.camera import v4l2_abi as abi
from rig_capture.sensing.inventory.items import Camera, FrameSize, PictureFormat, profile_line
from rig_capture.sensing.inventory.places import Absent, Places, Unreadable

_MOST = 256
"""Entries taken of any list; a driver that ignores the index would go on for ever."""
_GOOD_FPS = 30.0


def cameras(places: Places) -> tuple[Camera, ...]:
    """All cameras. Opening one disturbs no program that uses it. Raises Absent, Unreadable."""
    paths = sorted(places.dev.glob("video*"))
    if not paths:
        raise Absent(f"no video device below {places.dev}")
    found: list[Camera] = []
    refused: list[str] = []
    for path in paths:
        try:
            found.extend(_looked_at(places, str(path)))
        except OSError as error:
            refused.append(f"{path}: {error.strerror or error}")
    if refused and not found:
        raise Unreadable(f"{'; '.join(refused)}; is your user in the group video?")
    return tuple(found)


def _looked_at(places: Places, path: str) -> Iterator[Camera]:
    kernel = places.kernel
    device = kernel.open(path)
    try:
        capability = abi.Capability()
        kernel.ioctl(device, abi.QUERYCAP, capability)
        own = capability.device_caps if capability.capabilities & abi.CAP_DEVICE_CAPS else capability.capabilities
        if own & abi.CAP_VIDEO_CAPTURE:
            yield _camera(places, path, capability, tuple(_formats(kernel, device)))
    finally:
        kernel.close(device)


def _camera(places: Places, path: str, capability: abi.Capability, formats: tuple[PictureFormat, ...]) -> Camera:
    name = capability.card.decode(errors="replace")
    links = [link for link in sorted((places.dev / "v4l/by-id").glob("*")) if str(link.resolve()) == path]
    stable = str(links[0]) if links else ""
    return Camera(
        name=name,
        path=path,
        stable_path=stable,
        driver=capability.driver.decode(errors="replace"),
        bus=capability.bus_info.decode(errors="replace"),
        formats=formats,
        profile=_profile(name, stable or path, formats),
    )


def _profile(name: str, source: str, formats: tuple[PictureFormat, ...]) -> str:
    """The largest picture at 30 frames per second of the format that costs least to bring over the bus."""
    settings: dict[str, object] = {"driver": "v4l2", "source": source}
    usable = sorted((form for form in formats if form.setting), key=lambda form: list(abi.FORMATS).index(form.code))
    if not usable:
        return ""
    settings["pixel_format"] = usable[0].setting
    fluent = [size for size in usable[0].sizes if any(rate >= _GOOD_FPS - 0.5 for rate in size.rates_hz)]
    sizes = fluent or usable[0].sizes
    if sizes:
        best = max(sizes, key=lambda size: size.width * size.height)
        rates = [rate for rate in best.rates_hz if rate <= _GOOD_FPS] or list(best.rates_hz)
        settings |= {"width": best.width, "height": best.height} | ({"fps": max(rates)} if rates else {})
    return profile_line("cameras", name.partition(":")[0], settings)


def _formats(kernel: abi.Kernel, device: int) -> Iterator[PictureFormat]:
    for index in range(_MOST):
        form = abi.FormatDescription(index=index, type=abi.BUF_TYPE_VIDEO_CAPTURE)
        if not _ask(kernel, device, abi.ENUM_FMT, form):
            return
        code = abi.fourcc_name(form.pixelformat)
        sizes = tuple(_sizes(kernel, device, form.pixelformat))
        yield PictureFormat(
            code=code, description=form.description.decode(errors="replace"), setting=abi.FORMATS.get(code, ""), sizes=sizes
        )


def _sizes(kernel: abi.Kernel, device: int, pixel_format: int) -> Iterator[FrameSize]:
    for index in range(_MOST):
        entry = abi.FrameSizeEntry(index=index, pixel_format=pixel_format)
        if not _ask(kernel, device, abi.ENUM_FRAMESIZES, entry):
            return
        if entry.type == abi.DISCRETE:
            yield _size(kernel, device, pixel_format, entry.size.discrete.width, entry.size.discrete.height)
            continue
        # Anything between two sizes: these two tell enough.
        steps = entry.size.stepwise
        yield _size(kernel, device, pixel_format, steps.min_width, steps.min_height)
        yield _size(kernel, device, pixel_format, steps.max_width, steps.max_height)
        return


def _size(kernel: abi.Kernel, device: int, pixel_format: int, width: int, height: int) -> FrameSize:
    return FrameSize(width=width, height=height, rates_hz=tuple(sorted(_rates(kernel, device, pixel_format, width, height))))


def _rates(kernel: abi.Kernel, device: int, pixel_format: int, width: int, height: int) -> Iterator[float]:
    """Frames per second; the ends of a range where any rate in it is possible."""
    for index in range(_MOST):
        entry = abi.FrameIntervalEntry(index=index, pixel_format=pixel_format, width=width, height=height)
        if not _ask(kernel, device, abi.ENUM_FRAMEINTERVALS, entry):
            return
        steps = entry.interval.stepwise
        intervals = (entry.interval.discrete,) if entry.type == abi.DISCRETE else (steps.min, steps.max)
        yield from (round(each.denominator / each.numerator, 3) for each in intervals if each.numerator)
        if entry.type != abi.DISCRETE:
            return


def _ask(kernel: abi.Kernel, device: int, request: int, entry: ctypes.Structure) -> bool:
    """False at a list's end, and where the driver has no such list."""
    try:
        kernel.ioctl(device, request, entry)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTTY):
            return False
        raise
    return True
