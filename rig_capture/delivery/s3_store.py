"""An object store that speaks S3: AWS, Cloudflare R2, MinIO, and others.

Small files go in one request with their SHA-256, which the service checks. Large ones go in parts, each with its CRC32C; an
unfinished upload is found by the next put of the same file and goes on after the parts that are there. Every object carries
the SHA-256 of its bytes as metadata `sha256`.
"""

import base64
import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import google_crc32c
from botocore.exceptions import BotoCoreError, ClientError

from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.errors import BadAddress, ObjectStoreError, SourceError, TransferStopped
from rig_capture.delivery.keys import ROOT
from rig_capture.delivery.read_ahead import ReadAhead
from rig_capture.delivery.s3_client import Client, Connections, make_client
from rig_capture.delivery.store import StoredObject
from rig_capture.delivery.transfer import Payload, Transfer
from rig_capture.profiles.settings import DeliverySettings

PART = 8 * 2**20
"""Bytes of a part, and of the largest file that goes in one request."""
MOST_PARTS = 10_000

_READ = 64 * 2**10


class S3Store:
    """Objects in a bucket, below a prefix."""

    def __init__(self, settings: DeliverySettings, credentials: Credentials, *, bucket: str, prefix: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}", bucket):
            raise BadAddress(f"store {settings.store!r}: write s3://bucket or s3://bucket/prefix")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = make_client(settings, credentials)
        self._connections = Connections(self._client)
        self._interrupted = False
        self._client.meta.events.register_first("needs-retry.s3", self._before_retry)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return self._list(prefix, prefix)

    def reader(self) -> Callable[[str], Iterator[StoredObject]]:
        return ReadAhead(lambda key: self._list(ROOT, key, StartAfter=self._prefix + key)).list

    def _list(self, prefix: str, wanted: str, **options: str) -> Iterator[StoredObject]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **options)
        with self._errors(wanted, "list"):
            for page in pages:
                for item in page.get("Contents", ()):
                    yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"], item["ETag"].strip('"'))

    def give_up_unfinished(self, prefix: str, is_there: Callable[[str], bool]) -> None:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        with self._errors(prefix, "look for unfinished uploads of"):
            for page in pages:
                for item in page.get("Uploads", ()):
                    if is_there(item["Key"].removeprefix(self._prefix)):
                        _abort(self._client, {"Bucket": self._bucket, "Key": item["Key"]}, item["UploadId"])

    def holds(self, payload: Payload, stored: StoredObject) -> bool:
        if stored.size != payload.size:
            return False
        # The tag of an object put in one request is its MD5 (save under KMS): reading a small file here is cheaper than asking.
        if payload.size <= PART:
            with payload.open() as file:
                if _md5(_read_fully(file, payload.size)) == stored.etag:
                    return True
        with self._errors(stored.key, "look at"):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + stored.key, ChecksumMode="ENABLED")
        # What the service computed itself says more than what the one who put the object said.
        computed = head.get("ChecksumSHA256")
        if computed and head.get("ChecksumType") != "COMPOSITE":
            return bool(computed == _base64_sha256(payload))
        return bool(head["Metadata"].get("sha256") == payload.sha256)

    def put(self, payload: Payload, key: str, transfer: Transfer) -> StoredObject:
        with payload.open() as file, self._errors(key, "put"):
            if payload.size <= PART:
                etag = self._put_whole(file, payload, key, transfer)
            else:
                etag = _MultipartUpload(self._client, self._bucket, self._prefix + key, payload, transfer).run(file)
        return StoredObject(key, payload.size, etag)

    def flush(self) -> None:
        """Nothing to do: the service answers a put when the object is durable."""

    def get(self, key: str) -> bytes:
        with self._errors(key, "get"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED")
            return bytes(answer["Body"].read())

    def interrupt(self) -> None:
        self._interrupted = True
        self._connections.cut()

    def close(self) -> None:
        self._client.close()

    def _put_whole(self, file: BinaryIO, payload: Payload, key: str, transfer: Transfer) -> str:
        data = _read_fully(file, payload.size + 1)
        payload.check(hashlib.sha256(data).hexdigest(), len(data))
        answer = self._client.put_object(
            Bucket=self._bucket,
            Key=self._prefix + key,
            Body=_Body(data, 0, transfer),
            ContentLength=len(data),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_base64_sha256(payload),
            Metadata={"sha256": payload.sha256},
        )
        return str(answer["ETag"]).strip('"')

    def _before_retry(self, **_: object) -> None:
        if self._interrupted:
            raise TransferStopped

    @contextmanager
    def _errors(self, key: str, verb: str) -> Iterator[None]:
        what = f"{self.url}: can't {verb} {key}"
        try:
            yield
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
            raise ObjectStoreError(key, f"{what}: {error} (HTTP {status})") from error
        except BotoCoreError as error:
            raise ObjectStoreError(key, f"{what}: {error}") from error


class _MultipartUpload:
    """One large file on its way in parts."""

    def __init__(self, client: Client, bucket: str, key: str, payload: Payload, transfer: Transfer) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._payload = payload
        self._transfer = transfer
        self._part_size = part_size(payload.size)

    def run(self, file: BinaryIO) -> str:
        """Sends what is missing and completes the upload; returns the object's tag.

        Where the bytes turn out to be others than expected, the upload is aborted. Any other failure leaves it for the next put.
        """
        upload, there = self._unfinished()
        try:
            return self._send(file, upload or self._begin(), there)
        except _OtherContent:
            _abort(self._client, self._where, upload)
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
        parts: list[dict[str, object]] = []
        while data := _read_fully(file, self._part_size):
            whole.update(data)
            parts.append(self._part(upload, len(parts) + 1, size, data, there))
            size += len(data)
        try:
            self._payload.check(whole.hexdigest(), size)
        except SourceError:
            _abort(self._client, self._where, upload)
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
            _abort(self._client, self._where, item["UploadId"])
        if not found:
            return "", {}
        upload = found[-1]["UploadId"]
        parts = self._client.get_paginator("list_parts").paginate(**self._where, UploadId=upload)
        return upload, {part["PartNumber"]: part["ETag"].strip('"') for page in parts for part in page.get("Parts", ())}

    def _part(self, upload: str, number: int, start: int, data: bytes, there: dict[int, str]) -> dict[str, object]:
        checksum = base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
        part = {"PartNumber": number, "ChecksumCRC32C": checksum}
        if number in there:
            if there[number] != _md5(data):
                raise _OtherContent
            self._transfer.reach(start + len(data))
            return part | {"ETag": f'"{there[number]}"'}
        body = _Body(data, start, self._transfer)
        where = self._where | {"UploadId": upload, "ContentLength": len(data), "ChecksumAlgorithm": "CRC32C"}
        answer = self._client.upload_part(**where, **part, Body=body)
        return part | {"ETag": answer["ETag"]}


def _abort(client: Client, where: dict[str, str], upload: str) -> None:
    try:
        client.abort_multipart_upload(**where, UploadId=upload)
    except ClientError as error:
        # Another process was faster, or the answer to our own first try was lost.
        if not _is_gone(error):
            raise


def _is_gone(error: ClientError) -> bool:
    return bool(error.response.get("Error", {}).get("Code") == "NoSuchUpload")


class _OtherContent(Exception):
    """An unfinished upload is of other bytes than those to be sent; its metadata names them, so it can't be used."""


class _Body:
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


def _base64_sha256(payload: Payload) -> str:
    return base64.b64encode(bytes.fromhex(payload.sha256)).decode()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _read_fully(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes; fewer only at the end."""
    blocks: list[bytes] = []
    while count and (block := file.read(count)):
        blocks.append(block)
        count -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
