"""What looks like a credential is refused before anything is written, and not repeated."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.composition import compose_tree
from stages.config.load import validate
from stages.core.errors import UserError
from stages.core.redaction import redact_credentials, redact_secrets, refuse_secrets
from tests.conftest import python

KEY = "AKIA" + "IOSFODNN7EXAMPLE"  # in parts, as PEM is: scanners of the repository look for the whole
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    "value",
    [
        f"s3://bucket/{KEY}",
        f"https://b.s3.amazonaws.com/x.csv?X-Amz-Credential={KEY}%2F20260101",
        "https://me:password@host/x.zip",
        "https://host/x.zip?expires=1&X-Amz-Signature=0a1b",
        "https://host/x.zip?sig=0a1b",
        PEM,
    ],
)
def test_a_secret_in_the_config_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"^datasets\.s3_csv\.fetch\.url: holds what looks like a secret") as caught:
        validate(compose_tree([f"datasets.s3_csv.fetch.url='{value}'"]))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["AKIA", "akiaiosfodnn7example", "s3://bucket/folder", "gs://b/c@d", "http://h:80/a@b", "http://h/a?sigma=1"],
)
def test_what_is_none_passes(value: str) -> None:
    refuse_secrets({"a": [{"b": value}]})


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("https://me:pass@host/1.jpg", "https://host/1.jpg"),
        ("https://token@host/a@b.jpg?id=7", "https://host/a@b.jpg?id=7"),
        ("https://h/1.jpg?id=7&X-Amz-Signature=a&X-Amz-Credential=b&size=2#top", "https://h/1.jpg?id=7&size=2#top"),
        ("https://h/1.jpg?Expires=1&Signature=a&Key-Pair-Id=b", "https://h/1.jpg?Expires=1"),
        ("https://h/1.jpg?X%2DGoog%2DSignature=a", "https://h/1.jpg"),
        ("https://h/1.jpg?sv=2024&sig=a%2Fb", "https://h/1.jpg?sv=2024"),
        ('["https://h/1?token=a", "s3://k:s@b/2"]', '["https://h/1", "s3://b/2"]'),
        ("see http://h/?api_key=a and mail me@example.org", "see http://h/ and mail me@example.org"),
    ],
)
def test_an_address_keeps_all_but_its_secrets(text: str, bare: str) -> None:
    assert redact_secrets(text) == bare
    assert redact_secrets(bare) == bare


@given(st.text())
def test_what_holds_no_address_stays(text: str) -> None:
    assert "://" in text or redact_secrets(text) == text


def test_a_message_names_places_alone() -> None:
    assert redact_credentials("GET https://me:pass@host/a?sig=b failed") == "GET https://host/a failed"
    assert redact_credentials("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"


def test_one_on_the_command_line_leaves_no_trace(project: Path) -> None:
    words = [f"datasets.s3_csv.fetch.url=s3://{KEY}/x.csv", "dataset=s3_csv"]
    done = python("-m", "stages.fetch", *words, cwd=project, check=False)
    assert done.returncode == 2
    assert "the command line: holds what looks like a secret" in done.stderr
    assert not (project / "runs").exists()
