"""Somebody between an agent and its projector: passes answers on as they are, or spoils those to /v1/dispatch.

`how`: "pass"; "strip" takes the proof away; "forge" changes what the answer says of its seq; "replay" gives an older
answer with its proof instead, the first with orders in it that was seen."""

import http.client
import http.server
import threading


class Middle:
    def __init__(self, port):
        middle = self
        self.how, self.kept, self.spoilt = "pass", None, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                behind = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                try:
                    behind.request("GET", self.path, headers={
                        name: value for name, value in self.headers.items() if name.startswith("Docket-")})
                    answer = behind.getresponse()
                    self.give(answer.status, dict(answer.getheaders()), answer.read())
                except OSError:
                    self.close_connection = True
                finally:
                    behind.close()

            def give(self, status, headers, body):
                if status == 200 and self.path.startswith("/v1/dispatch"):
                    status, headers, body = middle.spoil(status, headers, body)
                self.send_response(status)
                for name in ("Content-Type", "Docket-Seq", "Docket-Credential"):
                    if headers.get(name):
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spoil(self, status, headers, body):
        if self.how == "pass":
            self.kept = self.kept or (status, headers, body)
            return status, headers, body
        self.spoilt += 1
        if self.how == "strip":
            headers.pop("Docket-Credential", None)
        elif self.how == "forge":
            headers["Docket-Seq"] = str(int(headers["Docket-Seq"]) + 1)
        else:
            status, headers, body = self.kept
        return status, headers, body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
