"""What only a real kernel can show: the guard, confinement, limits, bad input and shutdown."""
