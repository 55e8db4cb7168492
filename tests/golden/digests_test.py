#!/usr/bin/env python3
"""The same workload gives the same log on every machine: seq, digest and head of the hash chain.

    digests_test.py DOCKET [--update]

Each line of digests.tsv is a generated workload, how it is replayed, and what came of it. The log is written,
verified, decided again (audit verify), and its last BatchClosed has to be the recorded one. All builds read the
same file: gcc and clang, -O0 and -O3, with sanitizers. --update writes it anew: only in a commit that says
why the digests change.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

TABLE = pathlib.Path(__file__).with_name("digests.tsv")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def outcome(docket, generate, replay):
    """What a row should say: sha256 of the starts, last seq, digest, chain."""
    with tempfile.TemporaryDirectory() as work:
        trace, log = f"{work}/trace.swf", f"file:{work}/log"
        run(docket, "generate", *generate.split(), "--output", trace)
        result = json.loads(run(docket, "replay", trace, *replay.split(), "--log", log, "--json"))
        plain = json.loads(run(docket, "replay", trace, *replay.split(), "--json"))
        if plain["sha256"] != result["sha256"]:
            raise RuntimeError("with a log jobs start at other times than without")
        run(docket, "log", "verify", log)
        run(docket, "audit", "verify", log)
        closed = json.loads(run(docket, "log", "cat", log, "--type", "BatchClosed").splitlines()[-1])
        return [result["sha256"], str(closed["seq"]), closed["digest"], closed["chain"]]


def check(docket, row):
    try:
        return outcome(docket, row[0], row[1])
    except RuntimeError as fault:
        return [str(fault)]


def main(docket, *options):
    text = TABLE.read_text().splitlines()
    head = [line for line in text if line.startswith("#")]
    rows = [line.split("\t") for line in text if line and not line.startswith("#")]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda row: check(docket, row), rows))
    if "--update" in options:
        TABLE.write_text("\n".join(head + ["\t".join(row[:2] + found) for row, found in zip(rows, results)]) + "\n")
        print(f"{TABLE.name} written: {len(rows)} rows; say in the commit why digests change")
        return 0
    faults = [(row, found) for row, found in zip(rows, results) if row[2:] != found]
    for row, found in faults:
        print(f"generate {row[0]}; replay {row[1]}\n  recorded {row[2:]}\n  now      {found}")
    print(f"{len(rows) - len(faults)} of {len(rows)} logs are as recorded")
    return 1 if faults or not rows else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
