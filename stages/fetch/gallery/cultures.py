"""The cultures that drawn artworks come from: each has its colours, ornament, symmetry, border and landmark."""

from dataclasses import dataclass

import numpy as np

from stages.core.errors import UserError
from stages.fetch.synthetic import Colour


@dataclass(frozen=True)
class Culture:
    """What tells one culture's artworks from another's; `colours` are ground, ink and three more, in hex."""

    name: str
    colours: str
    motif: str
    order: int
    border: str
    landmark: str
    names: str

    def palette(self, rng: np.random.Generator) -> list[Colour]:
        """Return the five colours, as one workshop mixes them."""
        found = np.array([[int(word[at : at + 2], 16) for at in (0, 2, 4)] for word in self.colours.split()], float)
        mixed = found * rng.uniform(0.88, 1.1) + rng.normal(0, 7, found.shape)
        return [(r, g, b) for r, g, b in np.clip(mixed, 0, 255).astype(int).tolist()]

    def artist(self, rng: np.random.Generator) -> str:
        """Return an invented name."""
        first, last = (words.split() for words in self.names.split("/"))
        return f"{rng.choice(first)} {rng.choice(last)}"


CULTURES = (
    Culture(
        "japanese", "efe3cb 1f2f4f c8402f 5b86a8 d9a441", "wave", 6, "scallops", "torii",
        "Haruo Sei Toyo/Asakawa Minezuki Orihara",
    ),
    Culture(
        "dutch", "efe9dc 1d2b4a 2f5f9e c47f2c 7d94a8", "tulip", 4, "diamonds", "windmill",
        "Pieter Joost Anneke/Verhulst Rozendaal Blauw",
    ),
    Culture(
        "egyptian", "e6cf9b 3a2416 1e7f86 c65b2e d8a928", "lotus", 8, "stripes", "pyramid",
        "Ipu Nakht Tey/of-Waset of-Menefer of-Abdju",
    ),
    Culture(
        "iranian", "123f63 f1e3c0 1b9aa8 d9a93a b5372f", "star", 8, "arches", "dome",
        "Mirak Shirin Behrang/Naqqash Tabrizani Kermanshahi",
    ),
    Culture(
        "chinese", "f3ead6 23201d b3202a 3f7f6a d3b15a", "cloud", 6, "key", "pagoda",
        "Wen Lian Yufei/Shiqiao Hanlin Duan",
    ),
    Culture(
        "french", "f2e4d6 3b3158 d98aa0 86a7c9 c9a24b", "fleur", 6, "laurel", "steeple",
        "Lucien Odette Armand/Valcourt Brissonet Dumaray",
    ),
    Culture(
        "greek", "c96b3a 1b1512 e9d3ad 8c3a21 f0e6d2", "palmette", 10, "key", "temple",
        "Eumaros Kleitho Tleson/Argyrides Nikandros Philonas",
    ),
    Culture(
        "indian", "f0b34a 6b1437 d8345f 1f7a5c f7e3b8", "paisley", 8, "arches", "dome",
        "Anant Meera Devraj/Chitrakar Rathodia Malhari",
    ),
    Culture(
        "italian", "ecdcb9 4a2c1d a6372a 35614a caa03f", "acanthus", 8, "laurel", "cypress",
        "Taddeo Bianca Luchino/Morandello Ferrante Quarini",
    ),
    Culture(
        "russian", "f1e2c6 2b1a14 c1272d 1f5a3c e0a526", "rosette", 12, "diamonds", "onion",
        "Arkady Vasilisa Taras/Belozerov Zimin Ryabova",
    ),
    Culture(
        "american", "e9dfc9 22314a b23a35 4f7a8c d8b46a", "sunburst", 8, "stripes", "pines",
        "Josiah Clementine Asa/Hartwell Thornbury Pike",
    ),
    Culture(
        "latin american", "f3c64f 3a1d4a e0447a 1d9a94 f07f2e", "sunburst", 12, "steps", "steps",
        "Inti Marisol Quilla/Huarcaya Tepoztli Alvarenga",
    ),
    Culture(
        "british", "e7e3d3 20352b 7b2d3b 6b8f5e b99b5f", "rosette", 5, "laurel", "steeple",
        "Edmund Harriet Giles/Ashdown Wetherby Larkspur",
    ),
    Culture(
        "german", "e8dcc2 1f1b1c 8f2a22 56693f c79a37", "acanthus", 6, "triangles", "steeple",
        "Konrad Hedwig Lorenz/Eichwald Brandner Silbermann",
    ),
    Culture(
        "spanish", "efd9a8 3b1714 b8321f d68a1f 2f5d7c", "star", 12, "arches", "dome",
        "Ines Rodrigo Beltran/Alcorcon Valdemar Sotillo",
    ),
    Culture(
        "roman", "d9c3a0 3a2a24 9c2f26 5e7350 e9dcc0", "acanthus", 10, "key", "temple",
        "Marcus Livia Quintus/Fabrillus Varenus Postumian",
    ),
    Culture(
        "middle eastern", "f1e6cf 16455c 2aa198 b8862d 8d2f3c", "star", 10, "triangles", "dome",
        "Yusuf Zaynab Idris/al-Haddad al-Nassaj al-Warraq",
    ),
    Culture(
        "southeast asian", "e9cf86 4b1e17 9a2b1f 2f6b45 f0dfae", "lotus", 12, "scallops", "pagoda",
        "Somchai Dewi Aung/Rattana Wijaya Thein",
    ),
    Culture(
        "south asian", "f3dcb0 51233f c54a2c 2b7f7a e4aa35", "paisley", 6, "scallops", "onion",
        "Kamal Lakshmi Suresh/Perera Shrestha Bhandari",
    ),
    Culture(
        "african (general)", "d9a35a 24140f 8e2f1c e8d4a0 4a5a2b", "diamond", 4, "triangles", "steps",
        "Kofi Amara Tunde/Adinkrah Okonjo Diabate",
    ),
    Culture(
        "austrian", "ead9a6 2a2420 b98b2d 7a2f44 3f6f6b", "wave", 8, "steps", "steeple",
        "Egmont Adele Klaus/Lindenau Wiesenthal Moser",
    ),
    Culture(
        "swiss", "f0ece2 26323a c23b32 5f8f9f a9b7a0", "diamond", 6, "stripes", "pines",
        "Urs Annelie Beat/Aebiger Ruetli Zumthal",
    ),
    Culture(
        "czech", "f0e2c4 372a33 c26a3d 6f8c5a d9b66c", "tulip", 8, "arches", "onion",
        "Bohumil Ludmila Vojtech/Havranek Kvetnik Salava",
    ),
    Culture(
        "belgian", "e6dccb 1f2230 6f2b2b 3f6a7a c8a25c", "knot", 4, "laurel", "steeple",
        "Maarten Elodie Joris/Vandermolen Claesens Hubrecht",
    ),
    Culture(
        "ancient american", "d8a06a 2b1712 7f2f1e 2f7f73 ecd29a", "steps", 4, "steps", "steps",
        "Master-of-the Painter-of-the Carver-of-the/Jaguar Feather Quetzal",
    ),
    Culture(
        "ancient asian", "d7c7a0 2a2b27 6b7f5a 8f4a2b 4a6f78", "cloud", 4, "key", "pagoda",
        "Master-of-the Painter-of-the Carver-of-the/Crane Reed River",
    ),
    Culture(
        "ancient european", "cdbb98 33271f 8a5a2b 5a6a4a b03f2c", "knot", 8, "triangles", "pines",
        "Master-of-the Smith-of-the Carver-of-the/Boar Barrow Fjord",
    ),
    Culture(
        "ancient middle-eastern", "d9b779 2b2118 1f5f8f a84a22 e8d7ab", "rosette", 8, "steps", "steps",
        "Master-of-the Painter-of-the Carver-of-the/Lion Gate Ziggurat",
    ),
    Culture(
        "asian (general)", "efe0c8 2f2433 a83a4a 4f8a86 d0a860", "lotus", 6, "key", "torii",
        "Min Tala Bayar/Sorim Dorjin Namu",
    ),
    Culture(
        "european (general)", "e8dfd0 2c2c38 8a3b46 4f6f8f b8985a", "fleur", 4, "triangles", "cypress",
        "Johannes Mathilde Anselm/of-the-North of-the-River of-the-Hill",
    ),
)  # fmt: skip


def cultures(count: int) -> list[Culture]:
    """Return so many cultures."""
    if count > len(CULTURES):
        raise UserError(f"fetch.synthetic.classes: {count} is out of range; {len(CULTURES)} cultures can be drawn")
    return list(CULTURES[:count])
