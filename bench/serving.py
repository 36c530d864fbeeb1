"""Starts neume serve and talks to it: what chaos.py and soak.py share. The standard library alone."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile


class Server:
    """A running `neume serve` on a free port of loopback; standard error goes to a file, whose end is shown on failure."""

    def __init__(self, neume, arguments, file_limit=None):
        self.log = tempfile.TemporaryFile()
        command = [neume, "serve", "--port", "0", "--log-level", "error", *arguments]

        def limit_files():
            import resource
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))

        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=limit_files)
        line = self.process.stdout.readline().decode()
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"{' '.join(command)}: did not start\n{self.errors()}")
        self.port = int(found.group(1))

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def client(self):
        return Client(self.port)

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Ends it in good order, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


class Client:
    """A connection that is kept; one thread's."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def ask(self, method, path, body=None):
        """Status and body, or (None, reason) where no answer came."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            data = None if body is None else json.dumps(body)
            self.connection.request(method, path, data, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if response.getheader("Content-Type") == "application/json" else text
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            self.connection = None
            return None, str(error)


def known_items(server, count):
    """Ids of items that the model knows."""
    status, answer = server.client().ask("POST", "/v1/rank", {"history": [], "candidates": "all", "top": count})
    if status != 200:
        raise SystemExit(f"the model must have at most 10,000 items: {answer}")
    return [item["item_id"] for item in answer["items"]]
