#!/usr/bin/python3
"""Malformed and hostile requests against a server, on raw sockets: a hand-made list and mutations of it.

  bench/hostile_requests.py --port P [--requests 1000000] [--pid SERVER] [--token T] [--seed 1] [--processes 2]

Every request must be answered by a whole HTTP answer whose status is 4xx with a reason (or 501 or 503; or 2xx where a
mutation happens to leave a request that may be made), or the connection must end, which only what is not HTTP may lead
to. After it the server must still answer GET /healthz, and with --pid its memory must not have grown by more than
64 MiB after the first tenth. Prints a line of JSON; exit code 1 where something of this does not hold, with the first
requests that it did not hold for. Standard library only.
"""
import argparse
import collections
import json
import multiprocessing
import random
import re
import socket
import struct
import sys
import time

JSON_ROUTES = ["/v1/rank", "/v1/events", "/v1/items", "/v1/encode", "/v1/models", "/v1/models/restore",
               "/v2/models/neume/infer"]
GOOD_BODIES = [
    b'{"user_id":"u","candidates":["a","b"],"top":2,"explain":true}',
    b'{"history":["a",{"item_id":"b"}],"candidates":"all","exclude_history":false}',
    b'{"event_id":"e","user_id":"u","item_id":"a","timestamp":5,"label":true}',
    b'[{"user_id":"u","item_id":"a"},{"user_id":"u","item_id":"b","label":0}]',
    b'{"item_id":"n","embeddings":{"text":[0.5,1.5]}}',
    b'{"item_id":"n","codes":{"text":[1,2,3]}}',
    b'{"variant":"default","model":"/nowhere"}',
    b'{"inputs":[{"name":"candidates","datatype":"BYTES","shape":[2],"data":["a","b"]}]}',
]
BAD_BODIES = [
    b"", b"{", b"}", b"null", b"[]", b"{}", b"0", b'"x"', b"\xff\xfe", b"\x00" * 50, b"[" * 5000, b'{"a":' * 3000,
    b'{"user_id":"u","user_id":"v","candidates":[]}', b'{"candidates":{}}', b'{"user_id":[],"candidates":["a"]}',
    b'{"user_id":"u","candidates":[1e400]}', b'{"user_id":"u","candidates":[NaN]}',
    b'{"user_id":1.5,"candidates":["a"]}',
    b'{"user_id":"\\ud800","candidates":["a"]}', b'{"user_id":"u","candidates":["a"],"top":-1}',
    b'{"user_id":"u","candidates":["a"],"top":99999999999999999999}', b'{"user_id":"u","candidates":"some"}',
    b'{"user_id":"u","candidates":["a"],"unknown":1}', b'{"user_id":"' + b"u" * 5000 + b'","candidates":["a"]}',
    b'{"user_id":"u","candidates":[' + b'"a",' * 20000 + b'"a"]}', b'{"user_id":"u","candidates":["a"]} {}',
    b'{"user_id":"u","item_id":"a","timestamp":"now"}', b'{"user_id":"u","item_id":"a","label":7}',
    b'{"item_id":"n","embeddings":{"text":["x"]}}', b'{"item_id":"n","codes":{"text":[-1]}}',
    b'{"item_id":"n","codes":{"nothing":[1]}}', b'{"item_id":"","codes":{"text":[1]}}',
    b'{"inputs":[{"name":"candidates","datatype":"FP32","shape":[1],"data":[1]}]}',
    b'{"inputs":[{"name":"candidates","datatype":"BYTES","shape":[-1],"data":["a"]}]}',
    b'{"inputs":[{"name":"candidates","datatype":"BYTES","shape":[9223372036854775807,2],"data":["a"]}]}',
]
BAD_TARGETS = ["/", "//", "/v1", "/v1/", "/v1/nothing", "/v1/items/%00", "/v1/items/%", "/v1/items/%zz",
               "/v1/items/%ff", "/v1/items/" + "a" * 3000, "/v1/similar/a?top=-1",
               "/v1/similar/a?top=x&family=%ff", "/../../etc/passwd",
               "/v1/items/..%2f..%2fetc%2fpasswd", "*", "v1/rank", "http://", "http://evil/v1/items/nothing", "/a b",
               "/v1/similar/nothing?family=none&top=1000000000000", "/v2/models/nothing", "/v1/items/'%20or%201=1--"]
BAD_HEADERS = [b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: 5, 5",
               b"Content-Length: 18446744073709551616",
               b"Content-Length: 999999999", b"Content-Length: 3\r\nContent-Length: 4",
               b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Expect: the-spanish",
               b"Transfer-Encoding: chunked, identity", b"X: " + b"a" * 70000, b"A: b\r\n" * 3000 + b"C: d",
               b"No colon",
               b": no name", b" folded: x", b"Host: other", b"X: \x00", b"X: a\rb", b"Content-Encoding: gzip",
               b"Authorization: Bearer " + b"x" * 5000, b"Authorization: Basic AAAA", b"X-Request-Id: \"}{\"",
               b"Connection: \x01", b"Upgrade: h2c\r\nConnection: upgrade, http2-settings"]
BAD_STARTS = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n",
              b"\r\n" * 20,
              b"GET / HTTP/0.9\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"HELO there\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n",
              b"GET / HTTP/1.1\n\n\r\n\r\n", b"<xml/>\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 100000,
              b"SSH-2.0-x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n\r\n", b"GET  /  HTTP/1.1\r\nHost: h\r\n\r\n"]
BAD_CHUNKS = [b"x\r\n", b"-1\r\nabc\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabc\r\n0\r\n\r\n",
              b"3\r\nabcd\r\n0\r\n\r\n",
              b"3;" + b"e" * 200000 + b"\r\nabc\r\n", b"0\r\nT: " + b"t" * 200000, b"7fffffffffffffff\r\nabc",
              b"\r\n\r\n\r\n"]


def request(method, target, body, headers=b"", token=b""):
    head = f"{method} {target} HTTP/1.1\r\nHost: h\r\n".encode("latin-1") + token
    if body is not None:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + headers + b"\r\n" + (body or b"")


def seeds(token):
    """Requests that may be right, to be mutated, and requests that are wrong as they stand."""
    good = [request("POST", route, body, token=token) for route in JSON_ROUTES for body in GOOD_BODIES]
    wrong = [request("POST", route, body, token=token) for route in JSON_ROUTES for body in BAD_BODIES]
    wrong += [request("GET", target, None, token=token) for target in BAD_TARGETS]
    wrong += [request(method, route, None, token=token) for route in JSON_ROUTES
              for method in ("PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "BREW", "get")]
    wrong += [request("POST", "/v1/rank", None, header + b"\r\n", token) + b"{}" for header in BAD_HEADERS]
    wrong += [request("POST", "/v1/rank", None, b"Transfer-Encoding: chunked\r\n", token) + chunk
              for chunk in BAD_CHUNKS]
    return good, wrong + BAD_STARTS


def mutate(rng, data, others):
    data = bytearray(data[:8192])
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at:at + rng.choice((1, 1, 4, 50))]
        elif kind == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 3, 20))))
        elif kind == 4:
            data[at:at] = rng.choice((b"\r\n", b"\x00", b"\xff", b"{", b"]", b'"', b"%", b"\r\n\r\n", b"1e999", b"-"))
        elif kind == 5:
            other = rng.choice(others)
            data[at:] = other[rng.randrange(len(other)):][:4096]
        else:
            part = data[at:at + 200]
            data[at:at] = part * rng.choice((1, 3, 20))
    return bytes(data)


def ask(port, data):
    """Status and body of the answer to all of `data`; None where the connection ended without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        # No port is left to wait for late packets: there would soon be none left.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)  # the server may rightly wait for more, but this is all
        except OSError:
            pass  # it may have answered already
        try:
            return read_answer(sock)
        except ConnectionResetError:
            return None


def read_answer(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            if data:
                raise ValueError("an answer ended in its head: %r" % data[:200])
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if not re.match(rb"HTTP/1\.1 \d{3} ", head):
        raise ValueError("no HTTP answer: %r" % head[:200])
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    size = int(length.group(1)) if length else 0
    while len(body) < size:
        more = sock.recv(65536)
        if not more:
            raise ValueError("an answer ended in its body")
        body += more
    return int(head[9:12]), body[:size]


def has_reason(body):
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(error["reason"] if isinstance(error, dict) else error)


def looks_like_http(data):
    return re.match(rb"[A-Z]+ /\S* HTTP/1\.[01]\r\nHost: ", data) is not None


def attack(number, arguments, count, results):
    rng = random.Random(arguments.seed * 1000 + number)
    token = f"Authorization: Bearer {arguments.token}\r\n".encode() if arguments.token else b""
    good, wrong = seeds(token)
    statuses = collections.Counter()
    failures = []
    for i in range(count):
        exact = wrong[i] if i < len(wrong) else rng.choice(wrong) if rng.random() < 0.2 else None
        data = exact or mutate(rng, rng.choice(good if rng.random() < 0.7 else wrong), wrong)
        try:
            answer = ask(arguments.port, data)
        except (ValueError, OSError) as error:
            answer = None
            failures.append(f"{error!r}: {data[:300]!r}")
        status, body = answer or ("closed", b"")
        statuses[status] += 1
        if answer is None:
            if exact and looks_like_http(data):
                failures.append(f"closed without an answer: {data[:300]!r}")
        elif 400 <= status < 500 or status in (501, 503):
            if not data.startswith(b"HEAD") and not has_reason(body):
                failures.append(f"no reason in {body[:100]!r} for {data[:300]!r}")
        elif exact or not 200 <= status < 300:
            failures.append(f"{status} for {data[:300]!r}")
        if len(failures) > 20:
            break
    results.put((statuses, failures))


def memory_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--token", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    try:
        ask(arguments.port, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    except OSError as error:
        sys.exit(f"hostile_requests.py: no server at 127.0.0.1 port {arguments.port}: {error}")
    start = time.time()
    statuses, failures = collections.Counter(), []
    results = multiprocessing.Queue()
    memory = []
    for part, share in enumerate((0.1, 0.3, 0.3, 0.3)):
        count = max(1, int(arguments.requests * share / arguments.processes))
        workers = [multiprocessing.Process(target=attack, args=(part * 100 + n, arguments, count, results))
                   for n in range(arguments.processes)]
        for worker in workers:
            worker.start()
        for _ in workers:
            found, failed = results.get()
            statuses += found
            failures += failed
        for worker in workers:
            worker.join()
        if arguments.pid:
            memory.append(memory_bytes(arguments.pid))
    alive = ask(arguments.port, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    if alive is None or alive[0] != 200:
        failures.append("the server does not answer /healthz any more")
    if memory and memory[-1] > memory[0] + (64 << 20):
        failures.append(f"memory grew: {memory}")
    print(json.dumps({"requests": sum(statuses.values()), "seconds": round(time.time() - start, 1),
                      "statuses": {str(k): v for k, v in sorted(statuses.items(), key=str)},
                      "resident_mib": [round(m / 2**20, 1) for m in memory], "failures": len(failures)}))
    for failure in failures[:20]:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
