"""From file, environment and secrets to values, with the place of each for errors."""
