"""A small load generator: posts the same requests as the bridge over so many connections that are kept alive."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path


def post_all(port: int, key: str, logins: list[str], bodies: Iterator[bytes]) -> None:
    """Over one connection, post what is left until nothing is. Raise if Redmine refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number, content in enumerate(bodies):
        headers = {"Content-Type": "application/json", "X-Redmine-API-Key": key}
        headers["X-Redmine-Switch-User"] = logins[number % len(logins)]
        connection.request("POST", "/issues.json?include=attachments", content, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {said[:500]!r}")


def main() -> None:
    """Given a JSON file (port, key, logins, bodies) and a number of connections, print the seconds that all took."""
    given = json.loads(Path(sys.argv[1]).read_text())
    left = iter([json.dumps(one).encode() for one in given["bodies"]])
    arguments = (given["port"], given["key"], given["logins"], left)
    threads = [threading.Thread(target=post_all, args=arguments) for _ in range(int(sys.argv[2]))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
