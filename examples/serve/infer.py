#!/usr/bin/env python3
"""Asks a running `neume serve` by the Open Inference Protocol: infer.py USER ITEM [ITEM ...]; the standard library alone."""

import json
import sys
import urllib.request

URL = "http://127.0.0.1:8080/v2/models/neume"


def tensor(name, values):
    return {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    user, candidates = sys.argv[1], sys.argv[2:]
    body = {"inputs": [tensor("user_id", [user]), tensor("candidates", candidates)]}
    request = urllib.request.Request(URL + "/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    for item, score, known in sorted(zip(candidates, outputs["scores"], outputs["known"]), key=lambda row: -row[1]):
        print(f"{item:>12}  {score:9.4f}" if known else f"{item:>12}  unknown")


if __name__ == "__main__":
    main()
