"""Pictures mutated and made to hurt: what a decoder, and all that stands on it, must answer without falling over."""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from attacks.bombs import crafted
from attacks.formats import PNG, checked, chunk, fields, parts

EXTREMES = {
    1: (0, 1, 2, 3, 7, 8, 16, 32, 127, 128, 254, 255),
    2: (0, 1, 2, 255, 256, 32767, 32768, 65534, 65535),
    4: (0, 1, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1),
}
GARBAGE = {b"eXIf": b"Exif\0\0II*\0", b"iCCP": b"profile\0\0", b"zTXt": b"comment\0\0", b"acTL": b"", b"tRNS": b""}
MAGICS = (b"\xff\xd8\xff", PNG, b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0" * 8, b"\xef\xbb\xbf")


@dataclass(frozen=True)
class Mutation:
    """A hostile picture; its name says how it was made."""

    name: str
    data: bytes


def mutations(seeds: list[bytes], count: int, seed: int) -> Iterator[Mutation]:
    """Yield so many hostile pictures, the same for the same seeds and seed: the crafted ones, then mutated seeds."""
    made = [Mutation(name, data) for name, data in crafted()[:count]]
    yield from made
    rng = random.Random(seed)
    for turn in range(count - len(made)):
        number = turn % len(seeds)
        name, change = KINDS[(turn // len(seeds) + turn) % len(KINDS)]
        yield Mutation(f"{name}, seed {number}, turn {turn}", change(seeds[number], rng))


def truncated(data: bytes, rng: random.Random) -> bytes:
    """Cut a file anywhere, or at the edge of a part, or a few bytes before its end."""
    edges = [end for _, end in parts(data)] or [len(data)]
    return data[: rng.choice([rng.randrange(len(data)), rng.choice(edges), len(data) - rng.randrange(1, 9)])]


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Flip up to 16 bits."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 16)):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_early(data: bytes, rng: random.Random) -> bytes:
    """Flip bits among the first 64 bytes, where the headers lie; a PNG's check sum is made right."""
    return checked(flipped(data[:64], rng) + data[64:])


def overwritten(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a run of up to 64 bytes with one byte's value, or with noise."""
    start, length = rng.randrange(len(data)), rng.randint(1, 64)
    run = rng.choice([b"\0" * length, b"\xff" * length, rng.randbytes(length)])
    return data[:start] + run + data[start + length :]


def swapped(data: bytes, rng: random.Random) -> bytes:
    """Exchange two parts of a file."""
    found = parts(data)
    if len(found) < 2:
        return data[::-1]
    (a, b), (c, d) = sorted(rng.sample(found, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def repeated(data: bytes, rng: random.Random) -> bytes:
    """Repeat a part of a file up to 50 times."""
    start, end = rng.choice(parts(data) or [(0, len(data))])
    return data[:end] + data[start:end] * rng.randint(1, 50) + data[end:]


def removed(data: bytes, rng: random.Random) -> bytes:
    """Leave out a part of a file."""
    start, end = rng.choice(parts(data) or [(0, len(data))])
    return data[:start] + data[end:]


def extreme(data: bytes, rng: random.Random) -> bytes:
    """Set up to three numbers of the headers to extremes; a PNG's check sum is made right."""
    changed, known = bytearray(data), fields(data)
    for field in rng.sample(known, min(len(known), rng.randint(1, 3))):
        width = struct.calcsize(field.code)
        value = rng.choice(EXTREMES[width])
        changed[field.offset : field.offset + width] = struct.pack(field.code.upper(), value)
    return checked(bytes(changed))


def garbled(data: bytes, rng: random.Random) -> bytes:
    """Put broken EXIF, a broken colour profile or another broken extra before the pixels."""
    noise = rng.randbytes(rng.randint(0, 200))
    if data.startswith(PNG):
        name = rng.choice(sorted(GARBAGE))
        return data[:33] + chunk(name, GARBAGE[name] + noise) + data[33:]
    kind, start = rng.choice([(0xE1, b"Exif\0\0MM\0*\0\0\0\x08"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xEE, b"Adobe\0\x64")])
    content = start + noise
    return data[:2] + bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def disguised(data: bytes, rng: random.Random) -> bytes:
    """Give a file another format's first bytes, or put junk before its own."""
    magic = rng.choice(MAGICS)
    return magic + data[rng.choice([0, len(magic)]) :]


def padded(data: bytes, rng: random.Random) -> bytes:
    """Add up to 64 kB of noise or zeros behind a file."""
    length = rng.randint(1, 65536)
    return data + rng.choice([b"\0" * length, rng.randbytes(length)])


Change = Callable[[bytes, random.Random], bytes]
KINDS: list[tuple[str, Change]] = [
    (change.__name__.replace("_", " "), change)
    for change in (
        truncated, extreme, flipped, garbled, overwritten, extreme, flipped_early,
        swapped, repeated, removed, disguised, extreme, padded,
    )
]  # fmt: skip
