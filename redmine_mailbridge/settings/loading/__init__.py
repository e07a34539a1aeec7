"""From file, environment and secrets to values, with the origin of each for error texts."""
