"""Real object stores on loopback: moto's S3 server and a GCS emulator."""

import os
import socket
from collections.abc import Iterator

import pytest

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # read as gcsfs is imported: the emulator speaks no gRPC


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def gcs() -> Iterator[str]:
    from gcp_storage_emulator.server import create_server

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="pets")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a bucket's folder; the clients are told where the store is as users tell them, by the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "gs":
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("gcs"))
        monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        import boto3

        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="pets")
    import fsspec

    fsspec.config.set_conf_env(fsspec.config.conf)
    for kind in ("s3", "gs"):
        fsspec.get_filesystem_class(kind).clear_instance_cache()
    return f"{request.param}://pets/{request.node.name}"
