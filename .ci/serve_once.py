"""Starts an installed `heeler`, fetches one page, stops it: `serve_once.py PATH/TO/heeler`.

The application is the standard library's, so the folder may be empty.
"""

import contextlib
import os
import subprocess
import sys
import urllib.request

DEADLINE_S = 30


def main(command: str) -> int:
    """Serve one request; 1 if anything is not as it should be."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [command, "wsgiref.simple_server:demo_app", "--bind", "127.0.0.1:0", "--ready-fd", str(writer)],
        pass_fds=[writer],
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as ready:
            address = ready.readline().strip()
        if not address:
            print("the server ended before it was ready")
            return 1
        with urllib.request.urlopen(f"http://{address}/", timeout=DEADLINE_S) as response:
            page = response.read()
        print(f"{address}: {response.status}, {page[:12]!r}")
        server.terminate()
        status = server.wait(DEADLINE_S)
        print(f"exit status {status}")
        return 0 if (response.status, page[:12], status) == (200, b"Hello world!", 0) else 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        server.wait(DEADLINE_S)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
