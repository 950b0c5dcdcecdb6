"""Services as processes of their own: floods, ends, idle clients and hostile requests, each in small.

A busy machine is no reason to fail: the bars of the commands are wider here.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attacks.drawn import drawn
from attacks.endurance import Endured, Held, endured
from attacks.flood import Bars, Flood, Turn, flooded
from attacks.idle import PATIENCE, attackers
from attacks.mutations import mutations
from attacks.odd import attack
from attacks.served import pictured
from attacks.service import attacked, laid_out, small
from attacks.stop import Ending, Loss, bereaved, ended
from attacks.trial import PLAIN, Trial
from benchmarks.load import Seen
from benchmarks.packages import ORDINARY, package
from benchmarks.server import Server

ODD_ONES = 520
WIDE = Bars(goodput=0.6, accepted=4.0, rejected=1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    package(folder, size=64)
    return folder


@pytest.fixture(scope="module")
def patient(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve with a short patience for slow clients."""
    code = laid_out(tmp_path_factory.mktemp("patient"), client_timeout=PATIENCE, max_body_mb=16.0)
    with attacked(code, home) as server:
        yield server


@pytest.mark.slow
@pytest.mark.alone
def test_a_flood_leaves_the_service_at_its_peak(tmp_path: Path) -> None:
    package(tmp_path, size=ORDINARY)
    with attacked(laid_out(tmp_path / "code"), tmp_path) as server:
        found = flooded("flood", server.address, small(), 3.0, rounds=3)
    assert replace(found, bars=WIDE).wrong == []


@pytest.mark.slow
def test_an_end_under_load_loses_no_request(home: Path, tmp_path: Path) -> None:
    with attacked(laid_out(tmp_path / "code", workers=2, threads=1), home) as server:
        assert ended(server, small(), 60).wrong == []


@pytest.mark.slow
def test_a_lost_worker_is_replaced_and_only_its_requests_fail(home: Path, tmp_path: Path) -> None:
    with attacked(laid_out(tmp_path / "code", workers=2, threads=1), home) as server:
        assert bereaved(server, small(), 30).wrong == []


@pytest.mark.slow
def test_idle_and_slow_clients_hold_up_nobody_and_are_cut_off(patient: Server) -> None:
    found = attackers(patient, 200, 1.5)
    assert [(one.name, one.wrong) for one in found if one.left or one.refused or one.slower > 4] == []


@pytest.mark.slow
def test_odd_requests_and_hostile_pictures_are_answered_in_shape(patient: Server) -> None:
    found = [*attack(patient), *pictured(patient, list(mutations(drawn(), ODD_ONES, 1)))]
    assert [(one.name, one.wrong) for one in found if one.wrong] == []
    assert all(one.answers > ODD_ONES for one in found[-7:])


@pytest.mark.slow
def test_what_a_service_holds_stays_flat(home: Path, tmp_path: Path) -> None:
    with attacked(laid_out(tmp_path / "code", max_body_mb=1.0), home) as server:
        assert endured(server, 4000).wrong == []


def seen(status: int, begun: float = 0.0, seconds: float = 1.0, **headers: str) -> Seen:
    return Seen(status, begun, seconds, headers, b"" if status else b"ConnectionResetError")


def test_what_a_flood_must_not_do_is_said() -> None:
    calm = Turn([seen(200, number / 10) for number in range(40)], 5.0)
    slow = Turn([*[seen(200, number / 5, 3.0) for number in range(10)], seen(503, 4.0), seen(0, 4.0)], 5.0)
    wrong = " ".join(Flood("", [(calm, slow)]).wrong)
    for words in ("goodput is 0.2", "3.00 times as long", "1000 ms", "without Retry-After", "answered 0 (0: broken)"):
        assert words in wrong
    fine = Turn([*calm.seen, seen(503, 1.0, 0.01, **{"retry-after": "1"})], 5.0)
    assert Flood("", [(calm, fine)]).wrong == []
    assert Flood("", [(calm, calm)]).wrong == ["the flood was none: nothing was rejected"]


def test_what_an_end_must_not_do_is_said() -> None:
    assert Ending("", [seen(200, 9.5)], 10.0, 0.1, 0, 1.0).wrong == []
    bad = Ending("", [seen(500, 9.5), seen(0, 10.0)], 10.0, 5.0, 1, 1.0).wrong
    assert len(bad) == 5
    assert Loss([seen(0)] * 3, 2, 1.0).wrong == ["3 requests broke, more than the worker had (2)"]
    assert Loss([], 2, 1e3).wrong == ["the worker was not replaced"]


def test_what_grows_is_said() -> None:
    flat = Held(100.0, 10, 30, 1000)
    assert Endured(10, 1, flat, flat, []).wrong == []
    assert len(Endured(10, 1, flat, Held(130.0, 20, 50, 2000), ["x"]).wrong) == 5


def test_an_answer_in_another_shape_is_a_fault() -> None:
    trial = Trial("x")
    trial.take("fine", Seen(400, 0, 0.1, {}, b'{"error": ""}'), PLAIN)
    assert trial.wrong == []
    trial.take("page", Seen(400, 0, 9.0, {}, b"<html>"), PLAIN)
    trial.take("broken", Seen(500, 0, 0.1, {}, b"{}"), PLAIN)
    assert len(trial.wrong) == 3
