"""What looks like a credential is refused before anything is written, and not repeated."""

from pathlib import Path

import pytest

from stages.config import compose, typed
from stages.errors import UserError
from stages.secrets import refuse_secrets
from tests.conftest import python

KEY = "AKIA" + "IOSFODNN7EXAMPLE"  # in parts, as PEM is: scanners of the repository look for the whole
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    "value",
    [
        f"s3://bucket/{KEY}",
        f"https://b.s3.amazonaws.com/x.csv?X-Amz-Credential={KEY}%2F20260101",
        "https://me:password@host/x.zip",
        PEM,
    ],
)
def test_a_secret_in_the_config_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"^datasets\.s3_csv\.fetch\.url: holds what looks like a secret") as caught:
        typed(compose([f"datasets.s3_csv.fetch.url='{value}'"]))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["AKIA", "akiaiosfodnn7example", "s3://bucket/folder", "gs://b/c@d", "http://h:80/a@b"]
)
def test_what_is_none_passes(value: str) -> None:
    refuse_secrets({"a": [{"b": value}]})


def test_one_on_the_command_line_leaves_no_trace(project: Path) -> None:
    words = [f"datasets.s3_csv.fetch.url=s3://{KEY}/x.csv", "dataset=s3_csv"]
    done = python("-m", "stages.fetch", *words, cwd=project, check=False)
    assert done.returncode == 2
    assert "the command line: holds what looks like a secret" in done.stderr
    assert not (project / "runs").exists()
