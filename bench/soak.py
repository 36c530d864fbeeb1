#!/usr/bin/env python3
"""Mixed load on one server for a while; reports latencies, statuses and memory, and fails where memory grows or an
answer is wrong.

    bench/soak.py --model DIR [--codebooks DIR] [--minutes 10] [--rate 100]

Nine requests in ten are rankings of 100 candidates, the rest events; every fifth ranking asks for all items. Memory is
taken as the median of the last tenth of the time against that of the second tenth.
"""

import argparse
import collections
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

from serving import Server, known_items

CONNECTIONS = 8
USERS = 2000


def send(server, items, schedule, results):
    """Sends a request at each time of the schedule; latencies are counted from then."""
    client = server.client()
    for due in schedule:
        time.sleep(max(0.0, due - time.time()))
        user = f"soak-{random.randrange(USERS)}"
        if random.random() < 0.1:
            status, _ = client.ask("POST", "/v1/events", {"user_id": user, "item_id": random.choice(items)})
            results.append(("event", status, time.time() - due))
        else:
            candidates = "all" if random.random() < 0.2 else random.sample(items, min(100, len(items)))
            status, _ = client.ask("POST", "/v1/rank", {"user_id": user, "candidates": candidates})
            results.append(("rank", status, time.time() - due))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neume", default="build/release/neume")
    parser.add_argument("--model", required=True)
    parser.add_argument("--codebooks", default="")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="neume-soak-")
    arguments = ["--model", options.model, "--store", os.path.join(folder, "store")]
    server = Server(options.neume, arguments + (["--codebooks", options.codebooks] if options.codebooks else []))
    try:
        items = known_items(server, 2000)
        seconds = options.minutes * 60
        begin = time.time() + 0.5
        schedule = [begin + i / options.rate for i in range(int(seconds * options.rate))]
        results = []
        threads = [threading.Thread(target=send, args=(server, items, schedule[c::CONNECTIONS], results))
                   for c in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        memory = []
        while time.time() < begin + seconds:
            memory.append(server.resident_mib())
            time.sleep(seconds / 200)
        for thread in threads:
            thread.join()
        exit_code = server.stop()
    finally:
        if server.is_alive():
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    tenth = max(1, len(memory) // 10)
    early, late = statistics.median(memory[tenth:2 * tenth]), statistics.median(memory[-tenth:])
    latencies = sorted(1e3 * seconds for kind, status, seconds in results if kind == "rank")
    statuses = collections.Counter("no answer" if status is None else status for _, status, _ in results)
    wrong = len(results) - statuses[200] - statuses[201]
    report = {"requests": len(results), "statuses": statuses, "exit_code": exit_code,
              "rank_ms": {"p50": round(latencies[len(latencies) // 2], 2), "p99": round(latencies[int(len(latencies) * .99)], 2),
                          "max": round(latencies[-1], 2)},
              "resident_mib": {"early": round(early, 1), "late": round(late, 1)}}
    print(json.dumps(report))
    sys.exit(0 if wrong == 0 and exit_code == 0 and late < 1.1 * early + 16 else 1)


if __name__ == "__main__":
    main()
