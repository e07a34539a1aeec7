"""One file a command, each with a click command named `command`; found by their names, `_` read as `-`.

Thin: parse, call, print. Imports only click at the top, everything else inside the function, so that
`--help` is quick; takes `@pass_invocation` for the settings and raises errors of `redmine_mailbridge.errors`.
"""
