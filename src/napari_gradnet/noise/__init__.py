"""Models that add noise, models that estimate it, and variance stabilisation."""
