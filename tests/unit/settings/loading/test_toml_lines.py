"""Line numbers of keys."""

from redmine_mailbridge.settings.loading.toml_lines import line_numbers

TEXT = '''\
# a comment
top = 1

[table]  # another
key = [
    "a", # inner
    "b",
]
text = """
[not.a.table]
"""
inline = { a = 1, b = 2 }
"quoted.key" = 1

[[table.rules]]
name = "first"

[[table.rules]]
name = "second"
dotted.key = 1

[table.rules.below]
x = 1
'''


def test_line_numbers() -> None:
    """Tables, keys, values over several lines, lists of tables and dotted keys are found in their first line."""
    lines = line_numbers(TEXT)

    assert 2 == lines["top",]
    assert 4 == lines["table",]
    assert 5 == lines["table", "key"]
    assert 9 == lines["table", "text"]
    assert 12 == lines["table", "inline", "b"]
    assert 13 == lines["table", "quoted.key"]
    assert 15 == lines["table", "rules", 0]
    assert 19 == lines["table", "rules", 1, "name"]
    assert 20 == lines["table", "rules", 1, "dotted", "key"]
    assert 23 == lines["table", "rules", 1, "below", "x"]
