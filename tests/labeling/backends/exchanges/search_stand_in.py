"""A stub that replaces Elasticsearch for an Argilla server: every index exists, all is indexed, nothing is found.

Enough for data sets, records and responses, which Argilla keeps in its own database; searching is not possible.
argv: port. Used only when exchanges are recorded, see README.md.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandIn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        content: dict = {"acknowledged": True, "version": {"number": "8.7.0"}, "tagline": "You Know, for Search"}
        if "_bulk" in self.path:
            actions = [
                json.loads(line) for line in body.splitlines() if line.startswith(('{"index', '{"update', '{"del'))
            ]
            content = {"errors": False, "items": [{kind: {"status": 200} for kind in action} for action in actions]}
        elif "_search" in self.path:
            content = {"hits": {"total": {"value": 0}, "hits": []}}
        sent = b"" if self.command == "HEAD" else json.dumps(content).encode()
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), StandIn).serve_forever()
