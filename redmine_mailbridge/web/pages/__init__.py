"""One file a page: takes a `PageRequest`, asks what the commands ask, and renders a template."""
