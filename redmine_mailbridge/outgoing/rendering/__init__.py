"""An agent's note as mail: parsed by a library, written as simple HTML and as plain text, its pictures in place."""
