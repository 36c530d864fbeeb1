#!/usr/bin/env python3
"""neume serve as a stranger meets it: serve_test.py NEUME. A small model is made by the verbs themselves, then every
promise of docs/serving.md that needs a process, a socket or a kill is tried; bench/chaos.py breaks the rest."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench"))
from serving import Server  # noqa: E402


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def make_model(neume, folder):
    data, ranker = folder / "data", folder / "ranker"
    run(neume, "synth", "--quiet", "--items", 400, "--users", 300, "--out", data)
    modality = ["--modality", f"text={data}/items.parquet:text"]
    run(neume, "fit", "--quiet", *modality, "--method", "rq", "--codes", 16, "--layers", 2, "--joint", "--out", folder / "books")
    run(neume, "encode", "--quiet", *modality, "--codebooks", folder / "books", "--out", folder / "sids.parquet")
    run(neume, "train", "--quiet", "--sids", folder / "sids.parquet", "--train", data / "train.parquet", "--model", "mcca",
        "--embedding-width", 16, "--attention-hidden", 16, "--mlp", 16, "--out", ranker)
    return ["--model", ranker, "--codebooks", folder / "books"]


def expect(truth, what):
    if not truth:
        sys.exit(f"failed: {what}")


def ranking(client, **fields):
    status, answer = client.ask("POST", "/v1/rank", fields)
    expect(status == 200, f"a ranking, found {status} {answer}")
    return answer


def check_routes(server):
    client = server.client()
    expect(client.ask("GET", "/readyz")[0] == 200, "ready once it says that it listens")
    before = ranking(client, user_id="you", candidates="all", top=400)
    expect(before["history_used"] == 0 and not before["user_known"], "an unknown user has no history")
    heard = [before["items"][0]["item_id"], before["items"][1]["item_id"]]
    status, kept = client.ask("POST", "/v1/events", [{"user_id": "you", "item_id": item} for item in heard])
    expect(status == 201 and [event["outcome"] for event in kept["events"]] == ["added", "added"], "events are kept")
    after = ranking(client, user_id="you", candidates="all", top=400)
    expect(after["history_used"] == 2, "events count in the next ranking")
    expect(not set(heard) & {item["item_id"] for item in after["items"]}, "what was heard is left out")
    expect([item["score"] for item in before["items"][2:]] != [item["score"] for item in after["items"]], "scores move")

    codes = client.ask("GET", f"/v1/items/{heard[0]}")[1]["codes"]
    status, item = client.ask("POST", "/v1/items", {"item_id": "brand new", "codes": codes})
    expect(status == 201 and item["codes"] == codes, "a new item is taken")
    found = ranking(client, user_id="you", candidates=["brand new", "nobody's"], explain=True)
    expect([entry["item_id"] for entry in found["items"]] == ["brand new"], "a new item is ranked at once")
    expect(found["items"][0]["explanation"]["sources"], "an explanation names sources")
    expect([entry["item_id"] for entry in found["unknown"]] == ["nobody's"], "an unknown item is reported")
    similar = client.ask("GET", "/v1/similar/brand%20new?top=3")[1]["items"]
    expect(similar[0]["common_prefix"] == 2, "an item of the same ID is similar")

    inputs = [{"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["you"]},
              {"name": "candidates", "datatype": "BYTES", "shape": [2], "data": ["brand new", heard[0]]}]
    outputs = client.ask("POST", "/v2/models/neume/infer", {"inputs": inputs})[1]["outputs"]
    expect(abs(outputs[0]["data"][0] - found["items"][0]["score"]) < 1e-5, "both protocols give the same score")
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/neume"):
        expect(client.ask("GET", path)[0] == 200, path)
    expect(b"neume_request_compute_seconds_bucket" in client.ask("GET", "/metrics")[1], "metrics are there")
    expect("/v1/rank" in client.ask("GET", "/openapi.json")[1]["paths"], "the routes describe themselves")
    status, answer = client.ask("POST", "/v1/rank", {"user_id": "you", "candidate": ["1"]})
    expect(status == 400 and "candidate" in answer["error"]["reason"], f"a misspelt field is named: {status} {answer}")
    expect(client.ask("GET", "/v1/nothing")[0] == 404 and client.ask("DELETE", "/v1/rank")[0] == 405, "404 and 405")


def check_restart(neume, arguments):
    server = Server(neume, arguments)
    after = ranking(server.client(), user_id="you", candidates=["brand new"])
    expect(after["history_used"] == 2 and len(after["items"]) == 1, "events and items outlive kill -9")
    second = subprocess.run([neume, "serve", *arguments, "--port", "0"], capture_output=True, text=True, timeout=60)
    expect(second.returncode == 2 and second.stderr.count("\n") == 1, f"one server a store: {second.stderr}")
    expect(server.stop() == 0, "SIGTERM ends it in good order")


def check_refusals(neume, model):
    def refused(*arguments):
        done = subprocess.run([neume, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        expect(done.returncode == 2 and done.stderr.count("\n") == 1, f"{arguments}: {done.returncode} {done.stderr}")
        return done.stderr

    expect("--tokens" in refused(*model, "--address", "0.0.0.0", "--port", 0), "off loopback only with tokens")
    expect("--model" in refused(), "a model is required")
    expect("manifest" in refused("--model", ROOT / "tests"), "no ranker there")


def check_tokens(neume, model, folder):
    line = subprocess.run([neume, "serve", "--hash-token", "read"], input="a-token-of-my-own-choice\n", capture_output=True, text=True)
    expect(line.returncode == 0 and "a-token" not in line.stdout, f"a token's line hides it: {line.stderr}")
    tokens = folder / "tokens"
    tokens.write_text(line.stdout)
    tokens.chmod(0o600)
    server = Server(neume, [*model, "--store", str(folder / "guarded"), "--tokens", str(tokens)])
    client = server.client()
    body = {"user_id": "you", "candidates": ["1"]}
    expect(client.ask("POST", "/v1/rank", body)[0] == 401, "no token, no ranking")
    client.headers = {"Authorization": "Bearer a-token-of-my-own-choice"}
    expect(client.ask("POST", "/v1/rank", body)[0] == 200, "a token ranks")
    expect(client.ask("POST", "/v1/events", {"user_id": "you", "item_id": "1"})[0] == 403, "a read token writes nothing")
    expect(server.stop() == 0, "it ends in good order")


def main():
    neume = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="neume-serve-") as name:
        folder = pathlib.Path(name)
        model = [str(part) for part in make_model(neume, folder)]
        arguments = [*model, "--store", str(folder / "store")]
        server = Server(neume, arguments)
        check_routes(server)
        server.kill()
        check_restart(neume, arguments)
        check_refusals(neume, model)
        check_tokens(neume, model, folder)
        chaos = run(sys.executable, ROOT / "bench/chaos.py", "--neume", neume, *model, "--kills", 4, "--swaps", 4)
        print(chaos + "all kept")


if __name__ == "__main__":
    main()
