#!/usr/bin/env python3
"""Every start time of a trace is the one that an independent simulator found.

    expected_test.py DOCKET TRACE

For each line of expected/metrics.jsonl about TRACE: docket replays it, and the SHA-256 over its starts, the sum
of waits, the longest queue and the rest have to be the same. Where expected/ holds the starts themselves they are
compared line by line, so that a difference names its job. The traces are in DOCKET_TRACES, or in
../shared/traces beside the checkout; exit status 77 (skipped) where they are not.
"""

import concurrent.futures
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BACKFILL = {"cons": "conservative", "cons-keep": "conservative-keep"}
SAME = ("procs", "jobs", "dropped", "total_wait", "max_wait", "median_wait", "p95_wait", "max_queue", "makespan",
        "sha256")


def traces_folder():
    beside = pathlib.Path(__file__).resolve().parents[3] / "shared" / "traces"
    return pathlib.Path(os.environ.get("DOCKET_TRACES", beside))


def starts_differ(wanted, got):
    """The first line that differs, in words; None when all are the same."""
    for a, b in zip(wanted, got):
        if a != b:
            return f"expected job,start '{a}', got '{b}'"
    return None if len(wanted) == len(got) else f"{len(wanted)} jobs expected, {len(got)} got"


def check(docket, folder, line):
    backfill = line["backfill"]
    command = [docket, "replay", str(folder / line["trace"]), "--policy", line["policy"],
               "--backfill", BACKFILL.get(backfill, backfill)]
    name = f"{line['trace']} {line['policy']} {backfill}"
    done = subprocess.run(command + ["--json"], capture_output=True, text=True)
    if done.returncode != 0:
        return f"{name}: exit status {done.returncode}: {done.stderr.strip()}"
    result = json.loads(done.stdout)
    # The reference did not count the queue of cons-keep.
    same = [key for key in SAME if key != "max_queue" or backfill != "cons-keep"]
    faults = [f"{key} is {result.get(key)}, expected {line[key]}" for key in same if result.get(key) != line[key]]
    stem = line["trace"].removesuffix(".swf.gz")
    starts = folder / "expected" / f"{stem}.{line['policy']}.{backfill}.csv.gz"
    if starts.exists():
        with tempfile.TemporaryDirectory() as work:
            file = pathlib.Path(work) / "starts.csv"
            subprocess.run(command + ["--starts", str(file)], capture_output=True, check=True)
            got = [text.rsplit(",", 1)[0] for text in file.read_text().splitlines()[1:]]
        difference = starts_differ(gzip.open(starts, "rt").read().splitlines()[1:], got)
        if difference:
            faults.append(f"{starts.name}: {difference}")
    return f"{name}: " + "; ".join(faults) if faults else None


def main(docket, trace):
    folder = traces_folder()
    metrics = folder / "expected" / "metrics.jsonl"
    if not metrics.exists() or not (folder / trace).exists():
        print(f"skipped: there is no {trace} with its results in {folder}; DOCKET_TRACES names another folder")
        return 77
    lines = [json.loads(text) for text in metrics.read_text().splitlines()]
    lines = [line for line in lines if line["trace"] == trace]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        faults = [fault for fault in pool.map(lambda line: check(docket, folder, line), lines) if fault]
    for fault in faults:
        print(fault)
    print(f"{len(lines) - len(faults)} of {len(lines)} results of {trace} are exactly the expected ones")
    return 1 if faults or not lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
