"""Files on their way to an S3 service: bodies that tell how far they are, and large files in parts, several at once.

Each part has its CRC32C. An unfinished upload is found by the next one of the same file, and goes on with the parts that are there.
"""

import base64
import hashlib
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import BinaryIO

import google_crc32c
from botocore.exceptions import ClientError

from rig_capture.delivery.errors import SourceError, TransferStopped
from rig_capture.delivery.s3_client import Client
from rig_capture.delivery.transfer import Payload, Transfer, read_fully

PART = 8 * 2**20
"""Bytes of a part, and of the largest file that goes in one request."""
MOST_PARTS = 10_000

_READ = 256 * 2**10


class MultipartUpload:
    """One large file on its way in parts, of which several go at once."""

    def __init__(self, client: Client, where: dict[str, str], payload: Payload, transfer: Transfer, lanes: "Lanes") -> None:
        self._client = client
        self._where = where
        self._lanes = lanes
        self._payload = payload
        self._transfer = transfer
        self._part_size = part_size(payload.size)

    def run(self, file: BinaryIO) -> str:
        """Sends what is missing and completes the upload; returns the object's tag.

        Where the bytes turn out to be others than expected, the upload is aborted. Any other failure leaves it for the next put.
        """
        upload, there = self._unfinished()
        try:
            etag = self._send(file, upload or self._begin(), there)
            # One that was begun for other bytes, and had got no further than where they differ, bears their hash.
            if not upload or self._etag_of_the_same():
                return etag
        except _OtherContent:
            abort(self._client, self._where, upload)
        except ClientError as error:
            if not _is_gone(error):
                raise
            # Somebody else completed it or gave it up, or our own first try completed it and only its answer was lost.
            if etag := self._etag_of_the_same():
                return etag
        file.seek(0)
        return self._send(file, self._begin(), {})

    def _send(self, file: BinaryIO, upload: str, there: dict[int, str]) -> str:
        whole, size = hashlib.sha256(), 0
        sent: list[Future[dict[str, object]]] = []
        failed: list[Future[dict[str, object]]] = []
        try:
            with self._lanes.turn:
                while data := self._lanes.enter(lambda: read_fully(file, self._part_size)):
                    sent.append(self._lanes.submit(self._part, upload, len(sent) + 1, size, data, there))
                    sent[-1].add_done_callback(lambda part: failed.append(part) if part.exception() else None)
                    # Beside the sending.
                    whole.update(data)
                    size += len(data)
                    if failed:
                        break
        finally:
            wait(sent)
        if failed:
            # An error says more than the stops of other parts.
            min(failed, key=lambda part: isinstance(part.exception(), TransferStopped)).result()
        parts = [part.result() for part in sent]
        try:
            self._payload.check(whole.hexdigest(), size)
        except SourceError:
            abort(self._client, self._where, upload)
            raise
        answer = self._client.complete_multipart_upload(**self._where, UploadId=upload, MultipartUpload={"Parts": parts})
        return str(answer["ETag"]).strip('"')

    def _etag_of_the_same(self) -> str:
        """The tag of the object where it is there with these very bytes; else empty."""
        try:
            answer = self._client.head_object(**self._where)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                raise
            return ""
        return str(answer["ETag"]).strip('"') if answer["Metadata"].get("sha256") == self._payload.sha256 else ""

    def _begin(self) -> str:
        answer = self._client.create_multipart_upload(
            **self._where, ChecksumAlgorithm="CRC32C", Metadata={"sha256": self._payload.sha256, "part-size": str(self._part_size)}
        )
        return str(answer["UploadId"])

    def _unfinished(self) -> tuple[str, dict[int, str]]:
        """The newest unfinished upload of this key, and the tags of its parts by number. Older ones are aborted."""
        where = {"Bucket": self._where["Bucket"]}
        pages = self._client.get_paginator("list_multipart_uploads").paginate(**where, Prefix=self._where["Key"])
        found = [item for page in pages for item in page.get("Uploads", ()) if item["Key"] == self._where["Key"]]
        found.sort(key=lambda item: item["Initiated"])
        for item in found[:-1]:
            abort(self._client, self._where, item["UploadId"])
        if not found:
            return "", {}
        upload = found[-1]["UploadId"]
        parts = self._client.get_paginator("list_parts").paginate(**self._where, UploadId=upload)
        return upload, {part["PartNumber"]: part["ETag"].strip('"') for page in parts for part in page.get("Parts", ())}

    def _part(self, upload: str, number: int, start: int, data: bytes, there: dict[int, str]) -> dict[str, object]:
        checksum = base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
        part = {"PartNumber": number, "ChecksumCRC32C": checksum}
        if number in there:
            if there[number] != md5(data):
                raise _OtherContent
            self._transfer.part(start).reach(start + len(data))
            return part | {"ETag": f'"{there[number]}"'}
        body = Body(data, start, self._transfer.part(start))
        where = self._where | {"UploadId": upload, "ContentLength": len(data), "ChecksumAlgorithm": "CRC32C"}
        answer = self._client.upload_part(**where, **part, Body=body)
        return part | {"ETag": answer["ETag"]}


def abort(client: Client, where: dict[str, str], upload: str) -> None:
    """Gives up an unfinished upload, where it still is there. Raises what the client does."""
    try:
        client.abort_multipart_upload(**where, UploadId=upload)
    except ClientError as error:
        # Another process was faster, or the answer to our own first try was lost.
        if not _is_gone(error):
            raise


def _is_gone(error: ClientError) -> bool:
    return bool(error.response.get("Error", {}).get("Code") == "NoSuchUpload")


class Lanes:
    """Threads that send parts of all files together, so many at once; parts that wait for one are not read yet."""

    turn: threading.Lock
    """Held by the file whose parts are read: one file after the other is read from the disk, and the service puts the parts of one
    together while it takes those of the next."""

    def __init__(self, count: int) -> None:
        self.turn = threading.Lock()
        self._free = threading.Semaphore(count)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="part")

    def enter(self, read: Callable[[], bytes]) -> bytes:
        """Waits for a free lane, and reads what is to go through it; nothing read, nothing taken."""
        self._free.acquire()
        data = b""
        try:
            data = read()
        finally:
            if not data:
                self._free.release()
        return data

    def submit(self, send: Callable[..., dict[str, object]], *arguments: object) -> "Future[dict[str, object]]":
        """Sends through the lane that `enter` took."""
        future = self._pool.submit(send, *arguments)
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        """Waits for the threads; each has ended what it sent."""
        self._pool.shutdown()


class _OtherContent(Exception):
    """An unfinished upload is of other bytes than those to be sent; its metadata names them, so it can't be used."""


class Body:
    """Bytes as a file for botocore, which tell the transfer of each block that is sent."""

    def __init__(self, data: bytes, offset: int, transfer: Transfer) -> None:
        self._data = memoryview(data)
        self._offset = offset
        self._transfer = transfer
        self._position = 0
        self._sending = True

    def __len__(self) -> int:
        return len(self._data)

    def signal_transferring(self) -> None:
        """What is read from now on is sent (called by s3transfer's handlers)."""
        self._sending = True

    def signal_not_transferring(self) -> None:
        """What is read from now on is only signed."""
        self._sending = False

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes; empty at the end. May be more than asked for: botocore asks for 16 kB at a time, which costs."""
        end = len(self._data) if count is None or count < 0 else min(self._position + max(count, _READ), len(self._data))
        block = bytes(self._data[self._position : end])
        if block and self._sending:
            self._transfer.advance(len(block), self._offset + end)
        self._position = end
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        """As files do."""
        self._position = offset + (0, self._position, len(self._data))[whence]
        return self._position

    def tell(self) -> int:
        """As files do."""
        return self._position


def part_size(size: int) -> int:
    """Bytes per part of a file: the same for the same size, so that a later put can go on; a multiple of `PART`."""
    return max(1, -(-size // (PART * MOST_PARTS))) * PART


def md5(data: bytes) -> str:
    """Hex; the tag that services give to what was put in one request."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
