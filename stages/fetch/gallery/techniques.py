"""The techniques that drawn artworks are made in: each renders its culture's compositions in its own matter."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stages.fetch.gallery.compositions import framed, frieze, medallion, pattern
from stages.fetch.gallery.cultures import Culture
from stages.fetch.gallery.landscapes import landscape
from stages.fetch.gallery.matter import (
    Field,
    colours,
    grid,
    lathe,
    lit,
    mixed,
    noise,
    part,
    picture,
    shown,
    smooth,
    tone,
    turned_body,
)  # fmt: skip
from stages.fetch.gallery.ornament import SIDE, Plate
from stages.fetch.synthetic import Colour

Composition = Callable[[Plate, Culture, np.random.Generator], None]
GREYS: list[Colour] = [(40, 40, 40), (235, 235, 235), (190, 190, 190), (150, 150, 150), (110, 110, 110)]
SILVER: list[Colour] = [(170, 170, 170), (28, 28, 28), (240, 240, 240), (78, 78, 78), (126, 126, 126)]
METALS = ((212, 175, 88), (196, 200, 205), (176, 122, 72))
STONES = ((226, 220, 208), (186, 122, 84), (104, 118, 112), (206, 184, 146), (128, 128, 134))
EBONY, BOX = (52, 32, 22), (222, 196, 150)
WOODS = ((150, 96, 52), (98, 58, 34), (186, 136, 82))


def plate(
    culture: Culture, rng: np.random.Generator, compose: Composition, paints: list[Colour] | None = None,
    frame: float = 0.0,
) -> Image.Image:  # fmt: skip
    """Return a composition in the culture's colours, or in others; a plate is upright, square or broad."""
    form = 0 if compose is medallion else int(rng.integers(3))
    surface = Plate(paints or culture.palette(rng), *((1.0, 1.0), (1.25, 1.0), (1.0, 1.25))[form])
    compose(surface, culture, rng)
    if frame:
        framed(surface, culture, frame)
    return surface.image()


def any_of(rng: np.random.Generator, *compositions: Composition) -> Composition:
    """Return one of some compositions."""
    return compositions[int(rng.integers(len(compositions)))]


def contrast(culture: Culture, rng: np.random.Generator) -> tuple[Field, Field]:
    """Return the darkest and the lightest of a culture's colours: its ink and its paper."""
    found = sorted(culture.palette(rng), key=sum)
    return part(found[0]) * 0.85, part(found[-1])


def print_(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Cut into a block: hatched lines of ink, closer where it is dark, and one or two flat tints."""
    block = plate(culture, rng, landscape, frame=0.07)
    tones, (x, y) = tone(block), grid((block.height, block.width))
    bend = noise(rng, tones.shape, 6) * 9
    ink = np.zeros_like(tones)
    for limit, angle in ((0.75, 0.5), (0.5, 0.5 + np.pi / 2), (0.3, 0.0)):
        wave = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle) + bend) * 1.15)
        ink = np.maximum(ink, np.clip((limit - tones + 0.25 - wave * 0.55) * 6, 0, 1))
    edges = tone(block.convert("L").filter(ImageFilter.FIND_EDGES))
    dark, light = contrast(culture, rng)
    paper = mixed(colours(block), light, np.full_like(tones, 0.5)) + 0.02 * noise(rng, tones.shape, 40)[..., None]
    return picture(mixed(dark, paper, np.clip(np.maximum(ink * 0.85, edges * 2.2), 0, 1)))


def painting(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Paint in strokes that follow a flow, broad ones first."""
    motive = smooth(plate(culture, rng, landscape), 1.5)
    pixels, canvas = np.asarray(motive, float), motive.copy()
    flow = noise(rng, pixels.shape[:2], 5) * 2.2
    pen = ImageDraw.Draw(canvas)
    for length, thick, count in ((22, 9, 500), (12, 5, 1300), (7, 3, 2400)):
        spots = rng.uniform(0, 1, (count, 2)) * (motive.width - 1, motive.height - 1)
        shifts = rng.normal(0, 13, (count, 3)) + rng.normal(0, 9, (count, 1))
        for (x, y), shift in zip(spots, shifts, strict=True):
            angle = flow[int(y), int(x)]
            dx, dy = length / 2 * np.cos(angle), length / 2 * np.sin(angle)
            r, g, b = np.clip(pixels[int(y), int(x)] + shift, 0, 255).astype(int).tolist()
            pen.line([x - dx, y - dy, x + dx, y + dy], fill=(r, g, b), width=thick)
    relief, shine = lit(tone(canvas) * 5 + noise(rng, pixels.shape[:2], 160) * 0.4, 30)
    return picture(colours(canvas) * (0.55 + 0.62 * relief[..., None]) + 0.05 * shine[..., None])


def drawing(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Draw outlines in ink and a wash on paper."""
    motive = plate(culture, rng, any_of(rng, landscape, medallion))
    edges = sum(tone(smooth(band.filter(ImageFilter.FIND_EDGES), 0.7)) for band in motive.split())
    x, y = grid(motive.size[::-1])
    tones = tone(smooth(motive, 3))
    lines = np.clip(np.sin((x - y + noise(rng, x.shape, 20) * 5) * 0.9) * 2, 0, 1)
    hatch = np.clip((0.55 - tones) * 1.5, 0, 1) * lines
    pencil = np.clip(edges * 2.4 + hatch * 0.5, 0, 1) * np.clip(0.85 + noise(rng, x.shape, 90) * 0.4, 0, 1)
    dark, light = contrast(culture, rng)
    paper = 0.97 + 0.02 * noise(rng, x.shape, 120)
    wash = 1 - 0.25 * (1 - tones) * np.clip(0.6 + noise(rng, x.shape, 4), 0, 1)
    sheet = mixed(light, [1, 1, 1], np.full_like(tones, 0.5)) * (paper * wash)[..., None]
    return picture(mixed(dark, sheet, pencil))


def photograph(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Print a view in the tones of silver, with grain, a dark edge and a margin."""
    view = smooth(plate(culture, rng, landscape, SILVER), 1.0)
    tones = tone(view)
    x, y = grid(tones.shape)
    away = np.hypot(x / tones.shape[1] - 0.5, y / tones.shape[0] - 0.5)
    tones = np.clip((tones - 0.1) * 1.15, 0, 1) ** 0.9 * (1.08 - 0.75 * away**2)
    tones += 0.035 * rng.standard_normal(tones.shape, np.float32) + 0.05 * noise(rng, tones.shape, 5)
    warm = rng.uniform(0.0, 1.0)
    paper = np.array([1.0, 0.97 - 0.05 * warm, 0.92 - 0.16 * warm], np.float32)
    image = picture(tones[..., None] * paper + (1 - tones[..., None]) * np.array([0.06, 0.04, 0.02]) * warm)
    page = Image.new("RGB", (view.width + 36, view.height + 36), tuple((paper * 246).astype(int).tolist()))
    page.paste(image, (18, 18))
    return page


def textile(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Weave a pattern: threads over and under one another, a border, fringes."""
    cloth = colours(plate(culture, rng, any_of(rng, pattern, pattern, medallion), frame=0.11))
    x, y = grid(cloth.shape)
    pitch = float(rng.uniform(3.2, 4.6))
    over = np.sin(x / pitch * np.pi) * np.sin(y / pitch * np.pi)
    thread = 0.86 + 0.2 * over + 0.05 * noise(rng, over.shape, 200) + 0.04 * noise(rng, over.shape, 80, 40)
    woven = picture(cloth * thread[..., None])
    page = Image.new("RGB", (woven.width + 24, woven.height + 48), (228, 224, 216))
    pen, ground = ImageDraw.Draw(page), culture.palette(rng)[0]
    for left in range(12, woven.width + 12, 4):
        lean = float(rng.normal(0, 2))
        pen.line([left, 24, left + lean, 6], fill=ground, width=2)
        pen.line([left, woven.height + 24, left - lean, woven.height + 42], fill=ground, width=2)
    page.paste(woven, (12, 24))
    return page


def glass(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Set panes in lead, with light behind them."""
    window = plate(culture, rng, any_of(rng, medallion, pattern), frame=0.08)
    panes = colours(smooth(window, 1))
    x, y = grid(panes.shape)
    near, next_near = np.full((2, *x.shape), np.inf, np.float32)
    strength = np.ones_like(x)
    for across, down in rng.uniform(0, 1, (28, 2)) * (window.width, window.height):
        away = np.hypot(x - np.float32(across), y - np.float32(down))
        strength = np.where(away < near, np.float32(rng.uniform(0.75, 1.2)), strength)
        near, next_near = np.minimum(near, away), np.maximum(near, np.minimum(next_near, away))
    lead = np.clip(1.5 - (next_near - near) / 1.5, 0, 1)
    edges = np.clip(tone(window.convert("L").filter(ImageFilter.FIND_EDGES)) * 3, 0, 1)
    centre = rng.uniform(0.35, 0.65, 2) * (window.width, window.height)
    glow = 0.95 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (0.42 * SIDE) ** 2))
    deep = panes**1.9 * (strength * (0.45 + glow) + 0.08 * noise(rng, lead.shape, 30))[..., None]
    return picture(mixed([0.06, 0.06, 0.07], deep + 0.08 * glow[..., None] ** 3, np.maximum(lead, edges * 0.85)))


def metalwork(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Engrave a dish of gold, silver or bronze."""
    engraved = tone(smooth(plate(culture, rng, medallion, GREYS), 0.8))
    x, y = grid(engraved.shape)
    middle = SIDE / 2
    radius, angle = np.hypot(x - middle, y - middle) / middle, np.arctan2(y - middle, x - middle)
    bowl = 26 * np.exp(-((radius - 0.9) ** 2) / 0.006) + 14 * np.exp(-((radius - 0.36) ** 2) / 0.003)
    diffuse, shine = lit(engraved * 7 + bowl + np.sin(radius * 380) * 0.12, 22)
    brushed = 0.72 + 0.2 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.14 * np.cos(6 * angle + rng.uniform(0, 6))
    metal = part(METALS[(culture.order + int(rng.integers(2))) % 3])
    dish = metal * ((0.25 + 0.8 * diffuse) * brushed * (0.75 + 0.35 * engraved))[..., None]
    dish += 0.5 * shine[..., None] * (0.6 + 0.4 * metal)
    return shown(picture(dish), np.clip((0.985 - radius) * 60, 0, 1), rng)


def ceramic(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Throw a vase, and glaze it in bands."""
    surface = Plate(culture.palette(rng), 1.0, 1.15)
    frieze(surface, culture, rng)
    glaze = colours(smooth(surface.image(), 0.6))
    radius = lathe(rng, glaze.shape[0], 5)
    body, inside, side = turned_body(glaze, radius)
    slope = np.gradient(radius) * 60
    light = np.clip(np.cos(side + 0.6), 0, 1) * 0.75 + 0.3 - 0.12 * slope[:, None]
    shine = np.exp(-((side + 0.55) ** 2) / 0.012) * 0.45 + np.exp(-((side - 0.9) ** 2) / 0.01) * 0.1
    pot = body * light[..., None] + (shine * (0.6 + 0.4 * noise(rng, side.shape, 6)))[..., None]
    return shown(picture(pot), inside, rng)


def sculpture(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Carve a figure in the round: a body, shoulders, a head, bands of ornament, on a plinth."""
    surface = Plate(GREYS, 0.9, 1.25)
    frieze(surface, culture, rng)
    carved = tone(smooth(surface.image(), 1.2))
    high, wide = carved.shape
    radius = lathe(rng, high, 6) * 0.62
    places = np.arange(high) / high
    head = np.sqrt(np.clip(1 - ((places - 0.16) / 0.15) ** 2, 0, None)) * 0.36
    radius = np.where(places < 0.27, np.maximum(head, 0.14 * (places > 0.1)), radius)
    radius = np.where(places > 0.88, 0.8, np.maximum(radius, 0.02)).astype(np.float32)
    body, inside, side = turned_body(carved[..., None], radius)
    relief, shine = lit(
        np.cos(side) * radius[:, None] * wide / 2 * 0.8 + body[..., 0] * 5 * (places > 0.3)[:, None], 40
    )
    stone = (
        part(STONES[(culture.order + int(rng.integers(2))) % len(STONES)])
        * (0.97 + 0.06 * noise(rng, side.shape, 12, 0.4))[..., None]
    )
    figure = stone * (0.3 + 0.85 * relief)[..., None] + 0.18 * shine[..., None]
    return shown(picture(figure), inside, rng)


def stone(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Carve a relief into a slab."""
    carved = tone(smooth(plate(culture, rng, any_of(rng, medallion, pattern, landscape), GREYS, frame=0.1), 1.3))
    worn = noise(rng, carved.shape, 40) * 0.7 + noise(rng, carved.shape, 150) * 0.35
    relief, shine = lit(carved * 14 + worn, 12)
    rock = part(STONES[(culture.order + 1) % len(STONES)]) * (1 + 0.08 * noise(rng, carved.shape, 7))[..., None]
    speckle = 0.03 * rng.standard_normal(carved.shape, np.float32)
    return picture(rock * (0.22 + 0.9 * relief + speckle)[..., None] + 0.07 * shine[..., None])


def stained(wood: Colour, tint: Colour) -> Colour:
    """Return a wood's colour with a little of another in it."""
    red, green, blue = (int(0.8 * one + 0.2 * other) for one, other in zip(wood, tint, strict=True))
    return red, green, blue


def woodwork(culture: Culture, rng: np.random.Generator) -> Image.Image:
    """Inlay a panel with woods of several colours."""
    woods = [WOODS[(culture.order + n) % 3] for n in range(3)]
    tints = culture.palette(rng)
    inlay = [stained(wood, tint) for wood, tint in zip([woods[0], EBONY, *woods[1:], BOX], tints, strict=True)]
    panel = colours(plate(culture, rng, any_of(rng, medallion, pattern), inlay, frame=0.1))
    x, _ = grid(panel.shape)
    rings = np.sin((x * 0.06 + 5 * noise(rng, x.shape, 3, 0.35)) * 4 + panel.sum(-1) * 7)
    grain = 0.92 + 0.08 * rings + 0.07 * noise(rng, x.shape, 50, 0.08)
    relief, shine = lit(tone(picture(panel)) * 1.6, 18)
    return picture(panel * (grain * (0.55 + 0.6 * relief))[..., None] + 0.06 * shine[..., None])


TECHNIQUES: dict[str, Callable[[Culture, np.random.Generator], Image.Image]] = {
    "prints": print_,
    "drawings": drawing,
    "ceramics": ceramic,
    "textiles": textile,
    "paintings": painting,
    "photographs": photograph,
    "glass": glass,
    "metalwork": metalwork,
    "sculptures": sculpture,
    "stone": stone,
    "woodwork": woodwork,
}
