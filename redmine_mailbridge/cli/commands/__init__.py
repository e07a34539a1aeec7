"""One file per command, each with a click command named `command`; discovered by file name, `_` read as `-`.

Thin: parse, call, print. Imports only click at the top and everything else inside the function, which keeps
`--help` fast; takes `@pass_invocation` for the settings and raises errors of `redmine_mailbridge.errors`.
"""
