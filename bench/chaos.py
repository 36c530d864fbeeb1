#!/usr/bin/env python3
"""Breaks a server in every way that it should bear, and checks afterwards what it promised.

    bench/chaos.py --model DIR [--codebooks DIR] [--other DIR] [--kills 50] [--swaps 50] [--only kill,redis,swap,disk]

kill    kill -9 under write load, --kills times: every acknowledged event is there, once
redis   redis-server killed and started under write and read load: the same, and every ranking is answered
swap    models swapped under load, --swaps times: no request fails
disk    a store that may write no more, then may again: 503 and no crash, then the events are there

The model must have at most 10,000 items. --other is a second model to swap with; default: the same again. The standard
library alone; redis needs /usr/bin/redis-server.
"""

import argparse
import json
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from serving import Server, known_items

USERS = 40
WRITERS = 4


class Ledger:
    """What was sent and what was acknowledged. Threads share it."""

    def __init__(self, items):
        self.items = items
        self.lock = threading.Lock()
        self.next = 0
        self.acknowledged = {}  # event_id -> event
        self.open = {}  # sent without an answer that says that it is kept

    def new_event(self):
        with self.lock:
            number = self.next
            self.next += 1
        event = {"event_id": f"e{number}", "user_id": f"chaos-{number % USERS}",
                 "item_id": random.choice(self.items), "timestamp": 10**17 + number}
        with self.lock:
            self.open[event["event_id"]] = event
        return event

    def acknowledge(self, event):
        with self.lock:
            self.acknowledged[event["event_id"]] = self.open.pop(event["event_id"])


def write(ledger, server, stop, statuses):
    """Sends events until told to stop, or until the server is gone; some twice, as clients do after a lost answer."""
    client = server.client()
    while not stop.is_set():
        event = ledger.new_event()
        for attempt in range(2 if random.random() < 0.1 else 1):
            status, answer = client.ask("POST", "/v1/events", event)
            statuses.append(status)
            if status in (200, 201) and event["event_id"] in ledger.open:
                ledger.acknowledge(event)
            if status is None and not server.is_alive():
                return
            if status == 503:
                time.sleep(0.01)


def under_load(ledger, server, work, readers=0):
    """Runs work() beside writers (and readers); returns the statuses that both saw."""
    stop, written, read = threading.Event(), [], []
    threads = [threading.Thread(target=write, args=(ledger, server, stop, written)) for _ in range(WRITERS)]
    threads += [threading.Thread(target=rank, args=(ledger.items, server, stop, read)) for _ in range(readers)]
    for thread in threads:
        thread.start()
    work()
    stop.set()
    for thread in threads:
        thread.join()
    return written, read


def rank(items, server, stop, statuses):
    client = server.client()
    while not stop.is_set():
        body = {"user_id": f"chaos-{random.randrange(USERS)}", "candidates": random.sample(items, 50)}
        statuses.append(client.ask("POST", "/v1/rank", body)[0])


def verify(ledger, server):
    """Every acknowledged event is a duplicate when it is sent again; then every event of the ledger is there once."""
    client = server.client()
    missing = 0
    for event in list(ledger.acknowledged.values()):
        status, answer = client.ask("POST", "/v1/events", event)
        if status != 200 or answer["outcome"] != "duplicate":
            missing += 1
    for event in list(ledger.open.values()):  # may or may not have been kept: now they are
        status, answer = client.ask("POST", "/v1/events", event)
        if status not in (200, 201):
            raise SystemExit(f"the server does not take events: {answer}")
    expected = {}
    for event in [*ledger.acknowledged.values(), *ledger.open.values()]:
        expected[event["user_id"]] = expected.get(event["user_id"], 0) + 1
    doubled = 0
    for user, count in expected.items():
        status, answer = client.ask("POST", "/v1/rank", {"user_id": user, "candidates": ledger.items[:1]})
        if status != 200 or answer["history_used"] != min(count, 10000):
            doubled += 1
            print(f"{user}: expected {count} events, the server has {answer}", file=sys.stderr)
    return {"acknowledged": len(ledger.acknowledged), "unanswered": len(ledger.open), "missing": missing,
            "users_with_wrong_count": doubled}


def kill_scenario(options, folder):
    arguments = [*options.serve, "--store", os.path.join(folder, "store"), "--history", "100000"]
    server = Server(options.neume, arguments)
    ledger = Ledger(known_items(server, 100))
    for _ in range(options.kills):
        def kill_soon():
            time.sleep(random.uniform(0.1, 0.5))
            server.kill()
        under_load(ledger, server, kill_soon)
        server = Server(options.neume, arguments)
    result = {"kills": options.kills, **verify(ledger, server)}
    server.stop()
    result["passed"] = result["missing"] == 0 and result["users_with_wrong_count"] == 0
    return result


def start_redis(folder, port):
    return subprocess.Popen(["/usr/bin/redis-server", "--port", str(port), "--dir", folder, "--appendonly", "yes",
                             "--appendfsync", "always", "--save", ""], stdout=subprocess.DEVNULL)


def redis_scenario(options, folder):
    if not os.path.exists("/usr/bin/redis-server"):
        return {"skipped": "no /usr/bin/redis-server"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    redis = [start_redis(folder, port)]
    time.sleep(1)
    server = Server(options.neume, [*options.serve, "--store", f"redis://127.0.0.1:{port}", "--history", "100000"])
    ledger = Ledger(known_items(server, 100))
    stops = max(1, options.kills // 10)

    def stop_and_start():
        for _ in range(stops):
            time.sleep(1)
            redis[0].kill()
            redis[0].wait()
            time.sleep(1)
            redis[0] = start_redis(folder, port)
        time.sleep(2)

    written, read = under_load(ledger, server, stop_and_start, readers=2)
    wait_for_store(server)
    result = {"stops": stops, **verify(ledger, server), "events_refused": written.count(503),
              "events_other": sum(status not in (200, 201, 503) for status in written),
              "rankings": len(read), "rankings_failed": sum(status != 200 for status in read)}
    result["passed"] = (result["missing"] == 0 and result["users_with_wrong_count"] == 0
                        and result["events_other"] == 0 and result["rankings_failed"] == 0
                        and result["events_refused"] > 0)
    server.stop()
    redis[0].kill()
    redis[0].wait()
    return result


def wait_for_store(server):
    client = server.client()
    for _ in range(100):
        status, answer = client.ask("POST", "/v1/rank", {"user_id": "nobody", "candidates": []})
        if status == 200 and not answer["degraded"]:
            return
        time.sleep(0.1)
    raise SystemExit("the store does not come back")


def swap_scenario(options, folder):
    server = Server(options.neume, [*options.serve, "--store", os.path.join(folder, "store")])
    ledger = Ledger(known_items(server, 100))
    bodies = [options.model_body, options.other_body]
    swaps = []

    def swap():
        client = server.client()
        for i in range(options.swaps):
            if i % 5 == 4:
                swaps.append(client.ask("POST", "/v1/models/restore", {}))
            else:
                swaps.append(client.ask("POST", "/v1/models", bodies[(i + 1) % 2]))

    before = server.resident_mib()
    written, read = under_load(ledger, server, swap, readers=3)
    failed = [answer for status, answer in swaps if status != 200]
    result = {"swaps": len(swaps), "swaps_failed": failed, "rankings": len(read),
              "rankings_failed": sum(status != 200 for status in read), "events": len(written),
              "events_failed": sum(status not in (200, 201) for status in written),
              "resident_mib": [round(before), round(server.resident_mib())], **verify_counts(ledger, server)}
    result["passed"] = not failed and result["rankings_failed"] == 0 and result["events_failed"] == 0
    result["exit_code"] = server.stop()
    return result


def verify_counts(ledger, server):
    client = server.client()
    again = [client.ask("POST", "/v1/events", event)[1].get("outcome") for event in list(ledger.acknowledged.values())]
    return {"acknowledged": len(again), "missing": sum(outcome != "duplicate" for outcome in again)}


def disk_scenario(options, folder):
    limit = 512 * 1024
    server = Server(options.neume, [*options.serve, "--store", os.path.join(folder, "store"), "--history", "100000"],
                    file_limit=limit)
    ledger, client = Ledger(known_items(server, 100)), server.client()
    for event in (ledger.new_event() for _ in range(100000)):
        event["item_id"] = ledger.items[0]
        status, _ = client.ask("POST", "/v1/events", event)
        if status == 503:
            break
        if status != 201:
            raise SystemExit(f"expected 201 or 503, found {status}\n{server.errors()}")
        ledger.acknowledge(event)
    refused_rank, answer = client.ask("POST", "/v1/rank", {"user_id": "chaos-0", "candidates": ledger.items})
    full = {"kept_before": len(ledger.acknowledged), "status_when_full": status, "rank_when_full": refused_rank,
            "degraded_when_full": answer.get("degraded")}
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recovered = None
    for _ in range(100):
        recovered, _ = client.ask("POST", "/v1/events", {"user_id": "after", "item_id": ledger.items[0]})
        if recovered == 201:
            break
        time.sleep(0.1)
    result = {**full, "status_with_room_again": recovered, **verify(ledger, server), "exit_code": server.stop()}
    result["passed"] = (status == 503 and refused_rank == 200 and recovered == 201 and result["missing"] == 0
                        and result["users_with_wrong_count"] == 0 and result["exit_code"] == 0)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neume", default="build/release/neume")
    parser.add_argument("--model", required=True)
    parser.add_argument("--codebooks", default="")
    parser.add_argument("--other", default="")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--only", default="kill,redis,swap,disk")
    options = parser.parse_args()
    options.serve = ["--model", options.model] + (["--codebooks", options.codebooks] if options.codebooks else [])
    options.model_body = {"model": options.model}
    options.other_body = {"model": options.other or options.model}
    if options.codebooks:
        options.model_body["codebooks"] = options.other_body["codebooks"] = options.codebooks
    scenarios = {"kill": kill_scenario, "redis": redis_scenario, "swap": swap_scenario, "disk": disk_scenario}
    passed = True
    for name in options.only.split(","):
        folder = tempfile.mkdtemp(prefix="neume-chaos-")
        begin = time.time()
        try:
            result = scenarios[name](options, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(json.dumps({"scenario": name, "seconds": round(time.time() - begin, 1), **result}), flush=True)
        passed = passed and result.get("passed", True)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
