"""A camera without hardware: a moving scene with its frame number and clock burnt in, for people and for machines.

The frame number also stands as a row of black and white cells along the upper edge, so that a test of the whole way from
camera to file can decode each frame and prove that none is missing, however it was compressed or scaled.
"""

from datetime import UTC, datetime

import numpy as np
from av import VideoFrame

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.frame import Capture, Plane, even, plane_view
from rig_capture.sensing.camera.pace import MAX_LATE_NS, Pacer
from rig_capture.sensing.flash_beep import lit_share

CELLS = 36
"""Cells of the row: white, black, 32 bits of the number (highest first), 2 bits of check."""
_BITS = 32
_MIN_WIDTH, _MIN_HEIGHT = 2 * CELLS, 32

_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "01110 10000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00001 01110",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    "-": "00000 00000 00000 01110 00000 00000 00000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


def read_frame_number(gray: Plane) -> int:
    """The number burnt into a frame of the synthetic scene.

    Args:
        gray: the luma plane or a gray picture, uint8, shape (height, width), in any size and compression.

    Raises:
        ValueError: the row of cells can't be read.
    """
    height, width = gray.shape
    edges = np.arange(CELLS + 1) * width / CELLS
    cell = width / CELLS
    rows = slice(int(cell * 0.3), max(int(cell * 0.3) + 1, int(min(cell * 0.7, height))))
    levels = np.array(
        [gray[rows, int(left + cell * 0.3) : max(int(left + cell * 0.3) + 1, int(left + cell * 0.7))].mean() for left in edges[:-1]]
    )
    white, black = levels[0], levels[1]
    if white - black < 40:
        raise ValueError(f"no row of cells along the upper edge: its white is {white:.0f} and its black {black:.0f}")
    bits = (levels > (white + black) / 2).astype(int)
    number = int("".join(map(str, bits[2 : 2 + _BITS])), 2)
    check = 2 * bits[-2] + bits[-1]
    if check != _check(number):
        raise ValueError(f"the row of cells reads {number}, but its check is {check} and should be {_check(number)}")
    return number


class Scene:
    """Draws frames of one size as YUV 4:2:0 planes. All that does not change is drawn once."""

    def __init__(self, width: int, height: int) -> None:
        """Sizes in pixels; they are made even, and at least large enough for the row of cells."""
        self.width, self.height = max(even(width), _MIN_WIDTH), max(even(height), _MIN_HEIGHT)
        self._luma = _background(self.width, self.height)
        self._chroma = _colours(self.width // 2, self.height // 2)
        self._cell_rows = max(2, self.width // CELLS)
        self._cell_of_column = ((np.arange(self.width) + 0.5) * CELLS / self.width).astype(int)
        scale = max(1, self.width // 160)
        self._glyphs = {
            character: np.kron(
                np.array([[*map(int, row), 0] for row in rows.split()], np.uint8) * 219 + 16, np.ones((scale, scale), np.uint8)
            )
            for character, rows in _GLYPHS.items()
        }

    def draw(self, number: int, stamp_ns: int, light: float | None = None) -> VideoFrame:
        """A frame (yuv420p) that carries a number below 2**32 and a time in ns since the epoch.

        Args:
            number: of the frame.
            stamp_ns: the time.
            light: a plain picture so bright, 0 to 1, instead of the scene; None: the scene.
        """
        frame = VideoFrame(self.width, self.height, "yuv420p")
        shift = (2 * number) % self.width
        luma = plane_view(frame, 0)
        luma[:] = self._luma[:, shift : shift + self.width] if light is None else 16 + round(219 * light)
        for index, chroma in enumerate(self._chroma, start=1):
            plane_view(frame, index)[:] = chroma[:, shift // 2 : shift // 2 + self.width // 2] if light is None else 128
        self._draw_cells(frame, luma, number)
        clock = datetime.fromtimestamp(stamp_ns // 10**9, UTC).strftime("%H:%M:%S") + f".{stamp_ns // 10**6 % 1000:03d}"
        self._draw_text(luma, f"{number:06d} {clock}")
        return frame

    def _draw_cells(self, frame: VideoFrame, luma: Plane, number: int) -> None:
        number %= 2**_BITS
        bits = f"10{number:032b}{_check(number):02b}"
        cells = np.frombuffer(bits.encode(), np.uint8) - ord("0")
        luma[: self._cell_rows] = (cells * 219 + 16)[self._cell_of_column]
        for index in (1, 2):
            plane_view(frame, index)[: (self._cell_rows + 1) // 2] = 128

    def _draw_text(self, luma: Plane, text: str) -> None:
        picture = np.hstack([self._glyphs[character] for character in text])
        top = self._cell_rows * 2
        rows, columns = max(0, min(picture.shape[0], self.height - top)), min(picture.shape[1], self.width)
        luma[top : top + rows, :columns] = picture[:rows, :columns]


class SyntheticCamera:
    """Driver of the made-up camera: a frame on each tick of its rate, numbered by the ticks."""

    def __init__(self, settings: CameraSettings, first_number: int = 0) -> None:
        """Nothing is drawn before somebody asks for a picture.

        Args:
            settings: size and rate; 0 means 640x480 and 30 frames per second.
            first_number: burnt into the first frame.
        """
        self._size = settings.width or 640, settings.height or 480
        self._period_ns = 1e9 / (settings.fps or 30.0)
        self._first_number = first_number
        self._flash_ns = round(settings.pattern_s * 1e9) if settings.pattern == "flash_beep" else 0
        self._scene: Scene | None = None
        self._pacer = Pacer()
        self._tick = -1

    def open(self) -> None:
        self._pacer.start()

    def read(self) -> Capture | None:
        if not self._pacer.wait(self._offset_ns(self._tick + 1)):
            return None
        tick = self._tick + 1
        newest = int(self._pacer.elapsed_ns() / self._period_ns)
        if (newest - tick) * self._period_ns > MAX_LATE_NS:  # as where a camera's own buffers overflow
            tick = newest
        missed, self._tick = tick - self._tick - 1, tick
        stamp_ns = self._pacer.stamp(self._offset_ns(tick))
        seen_ns = self._pacer.monotonic(self._offset_ns(tick))
        return Capture(stamp_ns, lambda: self._draw(self._first_number + tick, stamp_ns, seen_ns), missed)

    def close(self) -> None:
        """There is nothing to let go of."""

    def interrupt(self) -> None:
        self._pacer.interrupt()

    def _offset_ns(self, tick: int) -> int:
        return round(tick * self._period_ns)

    def _draw(self, number: int, stamp_ns: int, seen_ns: int) -> VideoFrame:
        if self._scene is None:
            self._scene = Scene(*self._size)
        return self._scene.draw(number, stamp_ns, self._light(seen_ns) if self._flash_ns else None)

    def _light(self, seen_ns: int) -> float:
        """As a shutter sees it that is open all the time between frames; the stamp is the middle of the exposure."""
        half_ns = round(self._period_ns / 2)
        return lit_share(seen_ns - half_ns, seen_ns + half_ns, self._flash_ns)


def _check(number: int) -> int:
    return (number.bit_count() + number % 3) % 4


def _background(width: int, height: int) -> Plane:
    """Luma of gentle waves and edges, two pictures wide, so that any shift of it is a slice."""
    x = np.arange(2 * width)[None, :] * (2 * np.pi / width)
    y = np.arange(height)[:, None] * (2 * np.pi / height)
    waves = 110 + 45 * np.sin(3 * x + 2 * np.sin(y)) + 30 * np.sin(5 * y)
    posts = 25 * (np.sin(8 * x) > 0.9)
    return np.asarray((waves + posts).clip(16, 235), dtype=np.uint8)


def _colours(width: int, height: int) -> tuple[Plane, Plane]:
    x = np.arange(2 * width)[None, :] * (2 * np.pi / width)
    y = np.arange(height)[:, None] * (2 * np.pi / height)
    blue, red = 128 + 50 * np.sin(x + y), 128 + 50 * np.cos(x - y)
    return np.asarray(blue, dtype=np.uint8), np.asarray(red, dtype=np.uint8)
