"""An S3 service as object store: checksums, parts, trust, failures."""

import base64
import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig_capture.delivery.credentials import load_credentials
from rig_capture.delivery.errors import BadAddress, InsecureEndpoint, ObjectStoreError, TransferStopped
from rig_capture.delivery.s3_client import check_transport
from rig_capture.delivery.s3_parts import MOST_PARTS, PART, part_size
from rig_capture.delivery.s3_store import S3Store
from rig_capture.delivery.store import ObjectStore, open_store
from rig_capture.delivery.transfer import Brake, Throttle, Transfer
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.services import S3Server, s3_server
from test.delivery.test_store import payload_of, transfer
from test.parts import need_programs, wait_until

LARGE = 3 * PART + 5


@pytest.fixture
def store(s3_settings: DeliverySettings) -> Iterator[ObjectStore]:
    """The store of a new bucket; one part goes after the other, so that it is known which are there after a stop."""
    opened = open_store(s3_settings.model_copy(update={"concurrent_uploads": 1}), load_credentials())
    yield opened
    opened.close()


@pytest.fixture
def bucket(s3_settings: DeliverySettings) -> str:
    """Its bucket's name."""
    return s3_settings.store.split("/")[2]


def head(s3: S3Server, bucket: str, key: str) -> Any:
    """What the server knows of an object."""
    return s3.client().head_object(Bucket=bucket, Key=f"some/prefix/{key}", ChecksumMode="ENABLED")


def test_small_files_carry_their_sha256(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    store.put(payload_of(tmp_path / "f", b"data"), "a/f", transfer())
    found = head(s3, bucket, "a/f")
    assert found["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    assert found["Metadata"]["sha256"] == hashlib.sha256(b"data").hexdigest()


def test_large_files_go_in_parts_with_crc32c(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(LARGE))
    stored = store.put(payload, "a/f", transfer())
    found = head(s3, bucket, "a/f")
    assert stored.etag.endswith("-4")
    assert found["ChecksumCRC32C"]
    assert found["Metadata"]["sha256"] == payload.sha256


def test_a_stopped_upload_goes_on_after_the_parts_that_are_there(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(LARGE))
    brake, moved = Brake(lambda: False), [0]

    def stop_in_third_part(count: int) -> None:
        moved[0] += count
        if moved[0] > 2.5 * PART:
            brake.pull()

    with pytest.raises(TransferStopped):
        store.put(payload, "a/f", Transfer(Throttle(0), brake, stop_in_third_part))
    assert len(s3.client().list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    before = s3.log.count(f"PUT /{bucket}/some/prefix/a/f?")
    store.put(payload, "a/f", transfer())
    assert store.get("a/f") == (tmp_path / "f").read_bytes()
    assert s3.log.count(f"PUT /{bucket}/some/prefix/a/f?") - before == 2
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket)


def test_an_unfinished_upload_of_other_bytes_is_given_up(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    start = os.urandom(PART)
    brake, moved = Brake(lambda: False), [0]

    def stop_in_third_part(count: int) -> None:
        moved[0] += count
        if moved[0] > 2.5 * PART:
            brake.pull()

    other = payload_of(tmp_path / "f", start + os.urandom(2 * PART))
    with pytest.raises(TransferStopped):
        store.put(other, "a/f", Transfer(Throttle(0), brake, stop_in_third_part))
    payload = payload_of(tmp_path / "f", start + os.urandom(2 * PART))
    store.put(payload, "a/f", transfer())
    assert store.get("a/f") == (tmp_path / "f").read_bytes()
    assert head(s3, bucket, "a/f")["Metadata"]["sha256"] == payload.sha256
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket)


def test_an_upload_that_somebody_else_completed_counts_as_done(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    assert isinstance(store, S3Store)
    overtaken: list[str] = []

    def overtake(**_: Any) -> None:
        # As where the answer to our own first try was lost, or another process sends the same session.
        client, where = s3.client(), {"Bucket": bucket, "Key": "some/prefix/a/f"}
        (upload,) = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
        parts = client.list_parts(**where, UploadId=upload["UploadId"])["Parts"]
        chosen = {"Parts": [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]}
        overtaken.append(client.complete_multipart_upload(**where, UploadId=upload["UploadId"], MultipartUpload=chosen)["ETag"])

    store._client.meta.events.register_first("before-call.s3.CompleteMultipartUpload", overtake)
    stored = store.put(payload_of(tmp_path / "f", os.urandom(LARGE)), "a/f", transfer())
    assert overtaken == [f'"{stored.etag}"']
    assert store.get("a/f") == (tmp_path / "f").read_bytes()


def test_wrong_bytes_leave_no_unfinished_upload(store: ObjectStore, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(LARGE))
    (tmp_path / "f").write_bytes(os.urandom(LARGE))
    with pytest.raises(Exception, match="SHA-256"):
        store.put(payload, "a/f", transfer())
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("size", [1, PART, PART + 1, 100 * 2**30, 5 * 2**40])
def test_parts_are_few_enough_and_not_too_large(size: int) -> None:
    assert -(-size // part_size(size)) <= MOST_PARTS
    assert part_size(size) <= 5 * 2**30


def test_a_listing_is_asked_for_in_pages(store: ObjectStore, s3: S3Server, bucket: str) -> None:
    client = s3.client()
    for number in range(1005):
        client.put_object(Bucket=bucket, Key=f"some/prefix/a/{number}", Body=b"")
    before = s3.log.count("list-type=2")
    assert len(list(store.list("a/"))) == 1005
    assert s3.log.count("list-type=2") - before == 2


def test_a_missing_bucket_is_an_error_with_key_and_reason(s3_settings: DeliverySettings, tmp_path: Path) -> None:
    store = open_store(s3_settings.model_copy(update={"store": "s3://nobody-made-it"}), load_credentials())
    with pytest.raises(ObjectStoreError, match="NoSuchBucket") as caught:
        store.put(payload_of(tmp_path / "f", b"x"), "a/f", transfer())
    assert caught.value.key == "a/f"
    store.close()


class SilentServer:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.accepted: list[socket.socket] = []
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    @property
    def url(self) -> str:
        """Its end point."""
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self) -> None:
        """Ends it."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for connection in [self.socket, *self.accepted]:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                self.accepted.append(self.socket.accept()[0])
            except OSError:
                return


@pytest.mark.usefixtures("s3_credentials")
def test_a_put_that_waits_for_a_silent_server_ends_at_once_when_interrupted(tmp_path: Path) -> None:
    server = SilentServer()
    store = open_store(DeliverySettings(store="s3://bucket", endpoint_url=server.url), load_credentials())
    ended = threading.Event()

    def put() -> None:
        with pytest.raises(TransferStopped):
            store.put(payload_of(tmp_path / "f", b"x"), "a/f", transfer())
        ended.set()

    thread = threading.Thread(target=put)
    thread.start()
    try:
        wait_until(lambda: bool(server.accepted), "the connection")
        store.interrupt()
        assert ended.wait(5)
    finally:
        server.close()
        thread.join()
        store.close()


@pytest.mark.parametrize("endpoint", ["http://192.0.2.1", "http://localhost.example.com", "http://minio:9000", "http://[2001:db8::1]"])
def test_plain_http_to_another_machine_is_refused(endpoint: str) -> None:
    with pytest.raises(InsecureEndpoint, match="allow_http"):
        check_transport(endpoint, allow_http=False)
    check_transport(endpoint, allow_http=True)


@pytest.mark.parametrize("endpoint", ["https://192.0.2.1", "http://127.0.0.1:9000", "http://localhost:1", "http://[::1]:9000"])
def test_tls_and_this_machine_are_allowed(endpoint: str) -> None:
    check_transport(endpoint, allow_http=False)


@pytest.mark.usefixtures("s3_credentials")
def test_an_end_point_from_the_aws_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1:9000")
    with pytest.raises(InsecureEndpoint):
        S3Store(DeliverySettings(store="s3://bucket"), load_credentials(), bucket="bucket", prefix="")


def test_a_missing_ca_bundle_is_named(tmp_path: Path) -> None:
    settings = DeliverySettings(store="s3://bucket", ca_bundle=str(tmp_path / "none.pem"))
    with pytest.raises(BadAddress, match=r"none\.pem"):
        open_store(settings, load_credentials("", {}))


@pytest.mark.usefixtures("s3_credentials")
def test_tls_is_checked_against_our_own_authority(tmp_path: Path) -> None:
    need_programs("openssl", "openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with s3_server(tmp_path, "-s", "-c", str(cert), "-k", str(key)) as server:
        server.client(verify=str(cert)).create_bucket(Bucket="bucket")
        settings = DeliverySettings(store="s3://bucket", endpoint_url=server.url)
        trusting = open_store(settings.model_copy(update={"ca_bundle": str(cert)}), load_credentials())
        trusting.put(payload_of(tmp_path / "f", b"x"), "a/f", transfer())
        assert trusting.get("a/f") == b"x"
        trusting.close()
        wary = open_store(settings, load_credentials())
        with pytest.raises(ObjectStoreError, match="CERTIFICATE_VERIFY_FAILED"):
            wary.get("a/f")
        wary.close()
