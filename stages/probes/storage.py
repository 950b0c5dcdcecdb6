"""DVC's cache and remotes, and MLflow's store."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from configparser import ConfigParser
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from stages.config import project
from stages.probes.finding import Finding
from stages.secrets import without_login

LINKS = "reflink, hardlink, symlink"
FICLONE = 0x40049409
TIMEOUT = 20.0
REACH = """
import sys
url = sys.argv[1]
if url.startswith("http"):
    import requests
    requests.head(url, timeout=10)
else:
    import contextlib, fsspec
    filesystem, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    with contextlib.suppress(FileNotFoundError):
        filesystem.info(path)
"""


def links() -> list[Finding]:
    """Return which links work between DVC's cache and the folders of this project; each is tried."""
    cache = cache_folder()
    there = next(one for one in (cache, *cache.parents) if one.exists())
    return [linked(there, folder) for folder in ("data", "artifacts")]


def cache_folder() -> Path:
    """Return where DVC's cache is, or will be."""
    home = project() / ".dvc"
    named = settings(home).get("cache", "dir", fallback="cache")
    return (home / named).resolve()


def settings(home: Path) -> ConfigParser:
    """Return DVC's own settings, those of this machine last; sections of remotes are called 'remote "NAME"'."""
    found = ConfigParser(interpolation=None, strict=False)
    for file in (home / "config", home / "config.local"):
        with suppress(OSError):
            found.read_string("\n".join(line.strip() for line in file.read_text(encoding="utf-8").splitlines()))
    return found


def linked(cache: Path, name: str) -> Finding:
    """Return which links work from a cache to a folder of this project."""
    folder = project() / name
    there = next(one for one in (folder, *folder.parents) if one.exists())
    thing = f"links, DVC's cache → {name}/"
    try:
        works = [kind for kind, link in KINDS.items() if works_between(link, cache, there)]
    except OSError as error:
        return Finding(thing, f"cannot be tried: {error.strerror}", "no stage can write", f"make {there} writable")
    same = "same file system" if cache.stat().st_dev == there.stat().st_dev else "another file system"
    found = f"{', '.join(works) or 'none'}; {same}"
    if set(works) & {"reflink", "hardlink"}:
        return Finding(thing, found)
    cost = "weights and stores are copied: twice the disk, slower checkouts" if not works else "only symlinks"
    mend = "put the cache on the workspace's file system: dvc cache dir --local PATH"
    return Finding(thing, found, cost, mend)


def works_between(link: Callable[[Path, Path], None], cache: Path, folder: Path) -> bool:
    """Return whether such a link can be made from one folder into another."""
    with tempfile.TemporaryDirectory(dir=cache) as there, tempfile.TemporaryDirectory(dir=folder) as here:
        source, target = Path(there, "source"), Path(here, "target")
        source.write_bytes(b"bestiary")
        try:
            link(source, target)
            return target.read_bytes() == b"bestiary"
        except (OSError, ImportError):
            return False


def reflink(source: Path, target: Path) -> None:
    """Clone a file, sharing its blocks until one is written."""
    import fcntl

    with source.open("rb") as read, target.open("wb") as write:
        fcntl.ioctl(write, FICLONE, read.fileno())


KINDS: dict[str, Callable[[Path, Path], None]] = {"reflink": reflink, "hardlink": os.link, "symlink": os.symlink}


def remotes() -> list[Finding]:
    """Return DVC's remotes, each asked once, by a process of its own."""
    found = settings(project() / ".dvc")
    sections = [name for name in found.sections() if "remote" in name]
    if not sections:
        cost = "data and models stay on this machine"
        return [Finding("DVC remotes", "none", cost, "dvc remote add -d NAME s3://BUCKET/PATH, then dvc push")]
    return [remote(name.split('"')[1], found[name].get("url", "")) for name in sections]


def remote(name: str, url: str) -> Finding:
    """Return whether a remote answers; nothing of its address but the place is shown."""
    thing, shown = f"DVC remote {name}", without_login(url)
    address = url if urlsplit(url).scheme else str((project() / ".dvc" / url).resolve())
    if not urlsplit(url).scheme:
        there = Path(address).is_dir() and os.access(address, os.W_OK)
        mend = f"make or mount {address}"
        return Finding(thing, shown) if there else Finding(thing, f"{shown}: not there", "no push, no pull", mend)
    try:
        command = [sys.executable, "-c", REACH, address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return Finding(thing, f"{shown}: no answer within {TIMEOUT:.0f} s", "no push, no pull", "check network, proxy")
    if not done.returncode:
        return Finding(thing, f"{shown} answers")
    said = (done.stderr.strip().splitlines() or ["no answer"])[-1].partition(":")[0]  # the rest may hold the address
    return Finding(thing, f"{shown}: {said}", "no push, no pull", "check the address and the credentials in use")


def tracking() -> list[Finding]:
    """Return whether MLflow's store answers and can be written, and how many runs it has."""
    from stages.recorder import SQLITE, store_uri

    uri = store_uri()
    file = Path(uri.removeprefix(SQLITE))
    return [database(file) if uri.startswith(SQLITE) else server(uri)]


def database(file: Path) -> Finding:
    """Return the state of a store that is a SQLite file."""
    import sqlite3
    from contextlib import closing

    thing, shown = "MLflow's store", str(file)
    mend = "see that it can be written and nobody holds it, or move it away: a new one is made"
    if not file.exists():
        return Finding(thing, f"{shown}: made at the first run")
    try:
        with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as store:
            runs = store.execute("SELECT count(*) FROM runs").fetchone()[0]
            store.execute("BEGIN IMMEDIATE")
            store.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Finding(thing, f"{shown}: {error}", "trainings run, but are not recorded", mend)
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        return Finding(thing, f"{shown}: read-only", "trainings run, but are not recorded", mend)
    return Finding(thing, f"{shown}: {runs} runs")


def server(uri: str) -> Finding:
    """Return whether a tracking server answers."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    thing, shown = "MLflow's store", without_login(uri)
    bare = urlsplit(uri)._replace(netloc=urlsplit(uri).netloc.rpartition("@")[2]).geturl()
    try:
        with urlopen(Request(f"{bare.rstrip('/')}/health"), timeout=2):
            return Finding(thing, f"{shown} answers")
    except HTTPError as error:
        if error.code in (401, 403):
            return Finding(thing, f"{shown} answers, and wants to know who asks")
        why = str(error.code)
    except (OSError, ValueError) as error:
        why = str(getattr(error, "reason", error))
    mend = "start it, or unset MLFLOW_TRACKING_URI: runs then go to mlflow.db"
    return Finding(thing, f"{shown}: {why}", "trainings run, but are not recorded", mend)
