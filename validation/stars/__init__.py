"""How far the stars of galaxies depart from a Nuker law, from published expansions."""
