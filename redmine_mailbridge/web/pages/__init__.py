"""One file a page: takes a `Call`, asks what the commands ask, and renders a template."""
