"""How drawn artworks look: cultures, their ornaments and landscapes, and the techniques that render them."""
