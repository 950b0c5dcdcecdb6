"""A mirror in real object stores on loopback: moto's S3 server and a GCS emulator."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages.config.schema import Synthetic
from stages.core.errors import UserError
from stages.core.remote import object_exists
from stages.fetch import origin
from stages.layouts import petimages, stanford_dogs
from stages.layouts.base import layout
from tests.conftest import tree

SPEC = Synthetic(images=4, unlabelled=0, corrupt=0, classes=2, smallest=48, largest=64)
PUBLISHED = layout({"name": "petimages"}, [])


class Site(BaseHTTPRequestHandler):
    """A web site that counts what is asked of it."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a drawn archive under its earlier name only."""
    drawn = petimages.draw(tmp_path, SPEC, seed=1)
    Site.files, Site.asked = {"/kagglecatsanddogs_3367a.zip": drawn.read_bytes()}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Site.asked
        server.shutdown()


def fetch(base: str, bucket: str | None, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bring the archive as a project at this place would; return it."""
    monkeypatch.setattr(origin, "project_root", lambda: project)
    folder = project / "raw"
    folder.mkdir(parents=True)
    changes = {"url": f"{base}/kagglecatsanddogs_5340.zip", "alternative_names": ["kagglecatsanddogs_3367a.zip"]}
    config = tree().datasets["petimages"].fetch.model_copy(update=changes | {"mirror": bucket, "sha256": None})
    return origin.bring(config, PUBLISHED, folder)


def test_it_is_put_there_once_and_then_comes_from_there(
    bucket: str, site: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, asked = site
    first = fetch(base, bucket, tmp_path / "one", monkeypatch)
    assert asked == ["/kagglecatsanddogs_5340.zip", "/kagglecatsanddogs_3367a.zip"]
    assert object_exists(f"{bucket}/kagglecatsanddogs_5340.zip"), "under the name it is asked for by"
    second = fetch(base, bucket, tmp_path / "two", monkeypatch)
    assert len(asked) == 2, "the second project asks the bucket alone"
    assert second.read_bytes() == first.read_bytes()
    assert second.name == "kagglecatsanddogs_5340.zip"


def test_without_a_mirror_the_next_address_is_tried(
    site: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, asked = site
    assert fetch(base, None, tmp_path / "p", monkeypatch).name == "kagglecatsanddogs_3367a.zip"
    assert len(asked) == 2


def test_a_bucket_that_does_not_exist_is_named(
    bucket: str, site: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = bucket.replace("://pets/", "://no-such-bucket/")
    with pytest.raises(UserError, match=r"no-such-bucket.*does the bucket exist"):
        fetch(site[0], nowhere, tmp_path / "p", monkeypatch)


def test_what_is_no_such_archive_is_not_mirrored(
    bucket: str, site: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Site.files = {"/kagglecatsanddogs_5340.zip": b"<html>Please log in</html>"}
    with pytest.raises(UserError, match="not a zip archive"):
        fetch(site[0], bucket, tmp_path / "p", monkeypatch)
    assert not object_exists(f"{bucket}/kagglecatsanddogs_5340.zip")


def test_a_folder_is_kept_under_the_name_it_is_packed_under() -> None:
    assert origin.address("s3://b/d/", "/home/me/PetImages") == "s3://b/d/PetImages.zip"


DOGS = layout({"name": "stanford_dogs"}, [])


def dogs(url: str, bucket: str | None, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bring Stanford's two archives as a project at this place would; return the folder."""
    monkeypatch.setattr(origin, "project_root", lambda: project)
    folder = project / "raw"
    folder.mkdir(parents=True)
    changes = {"url": url, "extra_files": ["lists.tar"], "mirror": bucket}
    config = tree().datasets["stanford_dogs"].fetch.model_copy(update=changes)
    assert origin.bring(config, DOGS, folder).name == "images.tar"
    return folder


@pytest.fixture
def kennel(site: tuple[str, list[str]], tmp_path: Path) -> str:
    """Serve drawn dogs and their lists; return the address of the pictures."""
    spec = Synthetic(images=8, unlabelled=0, corrupt=0, classes=2, smallest=48, largest=64)
    (tmp_path / "dogs").mkdir()
    stanford_dogs.draw(tmp_path / "dogs", spec, seed=1)
    Site.files = {f"/d/{file.name}": file.read_bytes() for file in (tmp_path / "dogs").glob("*.tar")}
    return f"{site[0]}/d/images.tar"


def test_parts_come_from_beside_the_archive(kennel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = dogs(kennel, None, tmp_path / "http", monkeypatch)
    here = dogs(str(tmp_path / "dogs" / "images.tar"), None, tmp_path / "disk", monkeypatch)
    assert Site.asked == ["/d/images.tar", "/d/lists.tar"]
    for name in ("images.tar", "lists.tar"):
        assert (there / name).read_bytes() == (here / name).read_bytes() == Site.files[f"/d/{name}"]


def test_a_part_that_is_not_there_is_named(kennel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del Site.files["/d/lists.tar"]
    with pytest.raises(UserError, match=r"/d/lists\.tar: not found"):
        dogs(kennel, None, tmp_path / "http", monkeypatch)
    (tmp_path / "dogs" / "lists.tar").unlink()
    with pytest.raises(
        UserError, match=r"fetch\.extra_files: no file .*lists\.tar; place it there, or take lists\.tar out"
    ):
        dogs(str(tmp_path / "dogs" / "images.tar"), None, tmp_path / "disk", monkeypatch)


def test_parts_are_mirrored_too(bucket: str, kennel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dogs(kennel, bucket, tmp_path / "one", monkeypatch)
    assert object_exists(f"{bucket}/images.tar")
    assert object_exists(f"{bucket}/lists.tar")
    Site.files.clear()
    second = dogs(kennel, bucket, tmp_path / "two", monkeypatch)
    assert Site.asked == ["/d/images.tar", "/d/lists.tar"], "the second project asks the bucket alone"
    assert (second / "lists.tar").read_bytes() == (first / "lists.tar").read_bytes()


@pytest.mark.parametrize("parts", ["[../lists.tar]", "[lists.tar,lists.tar]", "[images.tar]", "[fetch.json]", "[.x]"])
def test_a_part_is_a_plain_name_of_its_own(parts: str) -> None:
    with pytest.raises(UserError, match=r"datasets\.stanford_dogs\.fetch\.extra_files: .* is not allowed"):
        tree("datasets.stanford_dogs.fetch.url=/d/images.tar", f"datasets.stanford_dogs.fetch.extra_files={parts}")
