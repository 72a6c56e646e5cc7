"""Streams of topics: the messages of the bag as objects, arrays, or tables."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Number
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from mcap.records import Schema
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rig_capture.playback.session import stream_of
from rig_capture.reading.bag import bag_files, bag_messages
from rig_capture.reading.common_clock import ClockFit
from rig_capture.reading.stream import Stream, Tally, pandas_module, within

if TYPE_CHECKING:
    from pandas import DataFrame

_LATE_NS = 1_000_000_000
"""A header's stamp within this time of the reception is the message's time."""
_OWN_COLUMNS = ("stamp_ns", "received_ns")
_NOT_A_MESSAGE = (SerdeError, TypesysError, ValueError, IndexError, KeyError)


@dataclass(frozen=True, slots=True)
class TopicMessage:
    """One message."""

    stamp_ns: int
    """Of its header, where it has one within a second of the reception; else when it was received. Ns since the epoch."""
    received_ns: int
    """When the recorder received it, ns since the epoch."""
    message: Any
    """A dataclass with the message's fields (rosbags makes it by the definition in the bag); arrays of numbers are numpy arrays."""


class TopicStream(Stream):
    """A stream of messages. Iterating over it yields all of them."""

    def __iter__(self) -> Iterator[TopicMessage]:
        return self.messages()

    def messages(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[TopicMessage]:
        """Decoded messages in the order in which they were received, also of types that are not installed here.

        Args:
            start_ns: stamp of the first, ns since the epoch; None: from the beginning.
            stop_ns: stamp before which it ends; None: to the end.

        Raises:
            Incomplete: after the last message that can be read, where some are missing.
        """
        source, tally = self._source, Tally(self._source, self.name)
        topics = {name: entry for name, entry in source.manifest.streams.items() if entry.kind == "topic"}
        stores: dict[tuple[str, bytes], Typestore] = {}
        files = bag_files(source.layout.bag)
        listed = {source.layout.resolve(entry.path) for entry in source.manifest.files if entry.kind == "bag"}
        tally.reasons += [f"{path}: is missing" for path in sorted(listed - set(files))]
        recorder = source.fits.get(source.manifest.node_hostname)
        from_ns, to_ns = _reception(start_ns, -_LATE_NS, recorder), _reception(stop_ns, _LATE_NS, recorder)
        for path in files:
            for raw in bag_messages(path, lambda topic: stream_of(topic, topics)[0] == self.name, from_ns, to_ns, tally.failed):
                try:
                    message = _store_of(raw.schema, stores).deserialize_cdr(raw.data, raw.schema.name)
                except _NOT_A_MESSAGE as error:
                    tally.failed(f"{path}: a message received at {raw.received_ns} ns is no {raw.schema.name}: {error}")
                    continue
                received_ns = raw.received_ns if recorder is None else recorder.to_common(raw.received_ns)
                stamp_ns = self._stamp(message, received_ns)
                if within(stamp_ns, start_ns, stop_ns):
                    tally.count(stamp_ns)
                    yield TopicMessage(stamp_ns, received_ns, message)
        whole = start_ns is None and stop_ns is None and not source.unfinished
        tally.close(self.entry.messages if whole else None, self.entry.last_stamp_ns if whole else None, to_the_end=stop_ns is None)

    def to_numpy(self, start_ns: int | None = None, stop_ns: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """All fields that hold numbers, as arrays; dots lead into messages within the message.

        Args:
            start_ns: as of `messages`.
            stop_ns: as of `messages`.

        Returns:
            ``stamp_ns`` and ``received_ns`` (N,) int64, and per field (N,), or (N, L) of arrays. Arrays whose length changes from
            message to message are object arrays (N,) of arrays. A field with one of these two names is ``message.stamp_ns``.

        Raises:
            Incomplete: as `messages`.
        """
        columns = self._columns(start_ns, stop_ns)
        return {name: _stacked(values) for name, values in columns.items() if not values or not isinstance(values[0], str)}

    def to_pandas(self, start_ns: int | None = None, stop_ns: int | None = None) -> "DataFrame":
        """A DataFrame with the index stamp_ns and a column per field with a number or text; arrays as columns ``field.0``, ``field.1``.

        Args:
            start_ns: as of `messages`.
            stop_ns: as of `messages`.

        Raises:
            ExtraMissing: pandas is not installed.
            Incomplete: as `messages`.
        """
        pd = pandas_module()
        columns: dict[str, Any] = {}
        for name, values in self._columns(start_ns, stop_ns).items():
            array = np.array(values, object) if values and isinstance(values[0], str) else _stacked(values)
            if array.ndim == 2:
                columns |= {f"{name}.{index}": array[:, index] for index in range(array.shape[1])}
            else:
                columns[name] = array
        return pd.DataFrame(columns).set_index("stamp_ns")

    def _stamp(self, message: object, received_ns: int) -> int:
        stamp = getattr(getattr(message, "header", None), "stamp", None)
        if stamp is None:
            return received_ns
        stamp_ns = self._stamp_of(int(stamp.sec) * 10**9 + int(stamp.nanosec))
        return stamp_ns if abs(stamp_ns - received_ns) < _LATE_NS else received_ns

    def _columns(self, start_ns: int | None, stop_ns: int | None) -> dict[str, list[Any]]:
        stamps: list[int] = []
        received: list[int] = []
        columns: list[list[Any]] = []
        names: list[str] = []
        getters: list[Callable[[Any], Any]] = []
        for each in self.messages(start_ns, stop_ns):
            if not stamps:
                names = list(leaf_names(each.message))
                getters = [attrgetter(name) for name in names]
                columns = [[] for _ in names]
            stamps.append(each.stamp_ns)
            received.append(each.received_ns)
            for get, column in zip(getters, columns, strict=True):
                column.append(get(each.message))
        fields = {f"message.{name}" if name in _OWN_COLUMNS else name: column for name, column in zip(names, columns, strict=True)}
        return dict(zip(_OWN_COLUMNS, (stamps, received), strict=True)) | fields


def _store_of(schema: Schema, stores: dict[tuple[str, bytes], Typestore]) -> Typestore:
    key = (schema.name, schema.data)
    if key not in stores:
        store, text = get_typestore(Stores.EMPTY), schema.data.decode()
        store.register(get_types_from_idl(text) if schema.encoding == "ros2idl" else get_types_from_msg(text, schema.name))
        stores[key] = store
    return stores[key]


def _reception(stamp_ns: int | None, margin_ns: int, recorder: ClockFit | None) -> int | None:
    """A stamp, with a margin, as the recorder's clock had it."""
    if stamp_ns is None:
        return None
    return stamp_ns + margin_ns if recorder is None else recorder.to_host(stamp_ns + margin_ns)


def leaf_names(value: object, name: str = "") -> Iterator[str]:
    """Names of the fields with a number, text or an array of numbers; lists of messages or of text are left out."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if not field.name.startswith("__"):  # the type's name, which the library keeps among the fields
                yield from leaf_names(getattr(value, field.name), f"{name}.{field.name}" if name else field.name)
    elif isinstance(value, (Number, np.generic, np.ndarray, str)):
        yield name


def _stacked(values: list[Any]) -> npt.NDArray[Any]:
    if values and isinstance(values[0], np.ndarray) and len({value.shape for value in values}) > 1:
        ragged: npt.NDArray[Any] = np.empty(len(values), object)
        ragged[:] = values
        return ragged
    return np.array(values, np.int64) if not values else np.array(values)
