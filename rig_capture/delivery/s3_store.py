"""An object store that speaks S3: AWS, Cloudflare R2, MinIO, and others.

Small files go in one request with their SHA-256, which the service checks. Large ones go in parts, each with its CRC32C; an
unfinished upload is found by the next put of the same file and goes on after the parts that are there. Every object carries
the SHA-256 of its bytes as metadata `sha256`.
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.errors import BadAddress, ObjectStoreError, TransferStopped
from rig_capture.delivery.keys import ROOT
from rig_capture.delivery.pace import Pace
from rig_capture.delivery.read_ahead import ReadAhead
from rig_capture.delivery.s3_client import Connections, make_client
from rig_capture.delivery.s3_parts import PART, Body, Lanes, MultipartUpload, abort, md5
from rig_capture.delivery.store import StoredObject
from rig_capture.delivery.transfer import Payload, Transfer, read_fully
from rig_capture.profiles.settings.rig import DeliverySettings


class S3Store:
    """Objects in a bucket, below a prefix."""

    def __init__(self, settings: DeliverySettings, credentials: Credentials, *, bucket: str, prefix: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}", bucket):
            raise BadAddress(f"store {settings.store!r}: write s3://bucket or s3://bucket/prefix")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = make_client(settings, credentials)
        self._connections = Connections(self._client)
        self._lanes = Lanes(settings.concurrent_uploads)
        self._pace = Pace(settings.concurrent_uploads)
        self._interrupted = False
        self._client.meta.events.register_first("needs-retry.s3", self._before_retry)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def waits(self) -> bool:
        return True

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
                        abort(self._client, {"Bucket": self._bucket, "Key": item["Key"]}, item["UploadId"])

    def holds(self, payload: Payload, stored: StoredObject) -> bool:
        if stored.size != payload.size:
            return False
        # The tag of an object put in one request is its MD5 (save under KMS): reading a small file here is cheaper than asking.
        if payload.size <= PART:
            with payload.open() as file:
                if md5(read_fully(file, payload.size)) == stored.etag:
                    return True
        with self._errors(stored.key, "look at"):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + stored.key, ChecksumMode="ENABLED")
        # What the service computed itself says more than what the one who put the object said.
        computed = head.get("ChecksumSHA256")
        if computed and head.get("ChecksumType") != "COMPOSITE":
            return bool(computed == _base64_sha256(payload))
        return bool(head["Metadata"].get("sha256") == payload.sha256)

    def put(self, payload: Payload, key: str, transfer: Transfer) -> StoredObject:
        if payload.size <= PART:
            return StoredObject(key, payload.size, self._put_whole(payload, key, transfer))
        with payload.open() as file, self._errors(key, "put"):
            where = {"Bucket": self._bucket, "Key": self._prefix + key}
            etag = MultipartUpload(self._client, where, payload, transfer, self._lanes).run(file)
        return StoredObject(key, payload.size, etag)

    def put_small(self, files: Sequence[tuple[Payload, str]], transfer: Transfer) -> Sequence[StoredObject | None]:
        return [None] * len(files)

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
        self._lanes.close()
        self._client.close()

    def _put_whole(self, payload: Payload, key: str, transfer: Transfer) -> str:
        data = payload.read()
        with self._pace.request(), self._errors(key, "put"):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=Body(data, 0, transfer),
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


def _base64_sha256(payload: Payload) -> str:
    return base64.b64encode(bytes.fromhex(payload.sha256)).decode()
