import base64
import gzip
import io
import sqlite3
import tarfile
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.canary import attack
from attacks.leaks import forms, leaks

SECRET = "canary/with+all=that&hurts"
STEPS = ("login, command line", "login, conf/", "signature, conf/", "conf/", "artworks", "bucket", "doctor")


def found(folder: Path) -> bool:
    return bool(leaks(folder, {"it": SECRET}))


@settings(deadline=None)
@given(st.binary(max_size=9), st.binary(max_size=9))
def test_base64_is_seen_at_any_offset(before: bytes, after: bytes) -> None:
    whole = base64.b64encode(before + SECRET.encode() + after)
    assert any(look in whole for form, look in forms(SECRET).items() if form.startswith("base64"))


def packed(secret: bytes) -> dict[str, bytes]:
    """Return a secret packed in every way that is looked into."""
    zipped, tarred, table = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(secret))
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        info = tarfile.TarInfo("x")
        info.size = len(secret)
        archive.addfile(info, io.BytesIO(secret))
    pd.DataFrame({"url": [secret.decode()] * 100}).to_parquet(table)
    plain = {"plain": secret, "reversed": secret[::-1], "quoted": quote(SECRET, safe="").encode()}
    files = {"zip": zipped.getvalue(), "tar": tarred.getvalue(), "parquet": table.getvalue()}
    return plain | files | {"zlib": zlib.compress(secret), "hex": secret.hex().encode()}


@pytest.mark.parametrize("how", packed(b"x"))
def test_a_trace_is_seen_however_it_is_packed(how: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"before" * (how in ("plain", "hex")) + packed(SECRET.encode())[how])
    assert found(tmp_path)
    (tmp_path / "deep" / "file").write_bytes(packed(b"nothing")[how] if how != "quoted" else b"nothing")
    assert not found(tmp_path)


def test_a_row_that_is_deleted_is_seen_in_the_freed_page(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("PRAGMA secure_delete = OFF")
        store.execute("CREATE TABLE params (value TEXT)")
        store.execute("INSERT INTO params VALUES (?)", (SECRET,))
        store.commit()
        store.execute("DELETE FROM params")
    store.close()
    assert found(tmp_path)


def test_a_name_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / SECRET.replace("/", "")).touch()
    assert leaks(tmp_path, {"it": SECRET.replace("/", "")})


@pytest.mark.slow
def test_no_secret_leaves_a_trace(tmp_path: Path) -> None:
    """As short as it can be; `python -m attacks.canary` goes through everything."""
    left, wrong = attack(tmp_path, STEPS)
    assert not wrong
    assert not left
