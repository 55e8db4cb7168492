#!/usr/bin/env python3
"""Jepsen's questions, asked of docket: a history of what clients asked and were told, judged by the final log.

    history.py HISTORY.jsonl LOG.jsonl    judges what a test that failed has kept (LOG: docket log cat URI)

A history is a list of records, each a dict (crowd.py writes them):

    call   one try of one request at one door: "key" "type" "job", "invoked" and "returned" (one clock for all),
           "outcome": "ok" (answered: "answer" is the one result, "batch" the seq beside it), "fail" (can't have
           been admitted: refused by the kernel, or unreadable) or "unknown" (anything else)
    seen   one event as a reader was given it, while the log was being written: "event"
    row    a job as a query answered it: "job", "at" (Docket-Seq), "after" (the after_seq asked), "found", "state"
    ran    a line of a job's own: "job", "attempt", "nonce", "cores" as it was told, "begun", "ended" (None: it never got there)
    fault  what was done to the cluster, for people

judge() returns what is wrong, in sentences; nothing: nothing acknowledged is missing, nothing happened twice, nobody
saw what is not in the log, the order of the log is one that clients could have seen, no core was given twice.
"""

import collections
import json
import sys

CHANGES = {  # request: the event that answers it when it is accepted
    "SubmitJob": ("JobSubmitted",),
    "HoldJob": ("JobHeld",),
    "ReleaseJob": ("JobReleased",),
    "CancelJob": ("JobEnded", "JobEndRequested", "ArrayTasksCancelled"),
    "RequeueJob": ("JobEndRequested", "JobRequeued"),
}


class Log:
    """The events of a log, found by seq, key and job."""

    def __init__(self, events):
        self.events = events
        self.by_seq = {event["seq"]: event for event in events}
        self.submitted = collections.defaultdict(list)  # by key
        self.jobs = {}  # id: seq of JobSubmitted, or of the JobPlaced that made it a job of its own
        self.array_of = {}  # a task's own job: its array
        self.placed = collections.defaultdict(set)  # job: its attempts
        self.batch_of = {}  # seq of an event: seq of the BatchClosed that makes it count
        start = 0
        for place, event in enumerate(events):
            kind = event["type"]
            if kind == "JobSubmitted":
                self.submitted[event["key"]].append(event)
                self.jobs.setdefault(event["job"], event["seq"])
            elif kind == "JobPlaced":
                self.jobs.setdefault(event["job"], event["seq"])
                self.placed[event["job"]].add(event["attempt"])
                self.array_of[event["job"]] = event["array_job"]
            elif kind == "BatchClosed":
                for member in events[start:place + 1]:
                    self.batch_of[member["seq"]] = event["seq"]
                start = place + 1


def judge(history, events):
    """What is wrong with this history and this log: sentences; [] when both are as promised."""
    log = Log(events)
    kinds = collections.defaultdict(list)
    for record in history:
        kinds[record["kind"]].append(record)
    return [*log_is_whole(events), *admitted_once(events), *cores_given_once(events),
            *nothing_lost(kinds["call"], log), *keys_once(kinds["call"], log), *order_kept(kinds["call"]),
            *reads_hold(kinds["seen"], log), *rows_hold(kinds["row"], log), *runs_once(kinds["ran"], kinds["call"], log),
            *cores_used_once(kinds["ran"], events)]


def summary(history):
    """One line for people: how many calls, with which outcomes, and what else was seen."""
    count = collections.Counter()
    for record in history:
        count[record["kind"]] += 1
        if record["kind"] == "call":
            count[record["outcome"] if record["outcome"] != "ok" else record["answer"]["result"]] += 1
    return ", ".join(f"{count[name]} {name}" for name in sorted(count))


# --- the log by itself ---

def log_is_whole(events):
    """seq is dense, epochs only grow and each has one ControllerStarted, batches are whole."""
    epoch, since, started = 0, 0, set()
    for place, event in enumerate(events, 1):
        if event["seq"] != place:
            yield f"the log has seq {event['seq']} where {place} belongs"
            return
        if event["epoch"] < epoch:
            yield f"seq {place} is of epoch {event['epoch']}, after one of epoch {epoch}: a fenced writer wrote"
        epoch = max(epoch, event["epoch"])
        if event["type"] == "ControllerStarted":
            if event["epoch"] in started:
                yield f"seq {place}: epoch {event['epoch']} was begun twice"
            started.add(event["epoch"])
        elif event["epoch"] not in started:
            yield f"seq {place} is of epoch {event['epoch']}, which nobody began"
        if event["type"] == "BatchClosed":
            if event["events"] != place - since - 1:
                yield f"the batch that ends at seq {place} has {place - since - 1} events and says {event['events']}"
            since = place
    if since != len(events):
        yield f"the log ends at seq {len(events)} inside a batch"


def admitted_once(events):
    """A position in `requests` has one outcome, in one batch, and positions only grow (but for beats: they are gathered)."""
    first = requests_next = 0  # of causes in the batch; where admission goes on
    outcome = {}
    for event in events:
        cause, seq = event["cause"], event["seq"]
        if event["type"] == "BatchClosed":
            if event["requests_next"] < requests_next:
                yield f"seq {seq}: requests_next goes back from {requests_next} to {event['requests_next']}"
            requests_next = max(requests_next, event["requests_next"])
            if first >= requests_next:
                yield f"seq {seq}: requests_next is {requests_next}, and request {first} is in the batch"
            first = 0
        elif cause != 0 and event["type"] != "NodesBeat":
            if cause < requests_next:
                yield f"seq {seq}: request {cause} was admitted again; an earlier batch was done with it"
            first = max(first, cause)
            if (event["type"] == "RequestRejected") and cause in outcome or outcome.get(cause) == "RequestRejected":
                yield f"seq {seq}: request {cause} has two outcomes: {outcome[cause]} and {event['type']}"
            outcome.setdefault(cause, event["type"])


def spans(cores):
    at = 0
    for span in cores:
        at += span["gap"]
        yield from range(at, at + span["count"])
        at += span["count"]


def cores_given_once(events):
    """JobPlaced gives cores that nobody has; JobEnded and JobRequeued give them back."""
    held, owner = {}, {}
    for event in events:
        if event["type"] == "JobPlaced":
            job, seq = event["job"], event["seq"]
            if job in held:
                yield f"seq {seq}: job {job} is placed, and has cores already"
            held[job] = list(spans(event["cores"]))
            for core in held[job]:
                if core in owner:
                    yield f"seq {seq}: core {core} is given to job {job}, and job {owner[core]} has it"
                owner[core] = job
        elif event["type"] in ("JobEnded", "JobRequeued"):
            for core in held.pop(event["job"], ()):
                if owner.get(core) == event["job"]:
                    del owner[core]


# --- what clients were told ---

def accepted(call):
    return call["outcome"] == "ok" and call["answer"]["result"] == "accepted"


def tell(call):
    of_job = f" of job {call['job']}" if call.get("job") else ""
    return f"{call['type']}{of_job} with key {call['key']}"


def nothing_lost(calls, log):
    """Each answer is in the log, at the seq that it names, as it says."""
    for call in calls:
        if call["outcome"] != "ok":
            continue
        answer = call["answer"]
        event = log.by_seq.get(answer["seq"])
        if event is None:
            yield f"lost: {tell(call)} was {answer['result']} as seq {answer['seq']}, and the log has no such seq"
            continue
        if log.batch_of.get(answer["seq"]) is None:
            yield f"lost: {tell(call)} was answered as seq {answer['seq']}, whose batch was never closed"
        wrong = None
        if answer["result"] == "accepted":
            job = answer["job"] if call["type"] == "SubmitJob" else call["job"]
            if event["type"] not in CHANGES[call["type"]] or job not in (event["job"], log.array_of.get(event["job"])):
                wrong = f"{event['type']} of job {event.get('job')}"
            elif call["type"] == "SubmitJob" and event["key"] != call["key"]:
                wrong = f"the submission with key {event['key']}"
        elif answer["result"] == "duplicate":
            if not any(first["job"] == answer["job"] for first in log.submitted.get(call["key"], ())):
                wrong = f"nothing that makes it job {answer['job']}"
        elif event["type"] != "RequestRejected" or event["reason"] != answer["reason"] or event["key"] != call["key"]:
            wrong = f"{event['type']} {event.get('reason', '')}".strip()
        if wrong:
            yield f"lost: {tell(call)} was {answer['result']} as seq {answer['seq']}, where the log has {wrong}"


def keys_once(calls, log):
    """A key is one job for ever, whatever was lost on the way, and what surely failed left nothing."""
    jobs, tries, named = collections.defaultdict(set), collections.defaultdict(list), {}
    for call in calls:
        if call["type"] != "SubmitJob":
            continue
        tries[call["key"]].append(call)
        if call["outcome"] == "ok" and call["answer"]["result"] in ("accepted", "duplicate"):
            jobs[call["key"]].add(call["answer"]["job"])
            if accepted(call) and named.setdefault(call["answer"]["job"], call["key"]) != call["key"]:
                yield f"job {call['answer']['job']} was given to two submissions: {named[call['answer']['job']]}, {call['key']}"
    for key, ids in jobs.items():
        if len(ids) > 1:
            yield f"duplicate: key {key} was answered with jobs {sorted(ids)}"
    for key, first in log.submitted.items():
        if key and len(first) > 1:
            yield f"duplicate: key {key} is in the log as jobs {sorted(event['job'] for event in first)}"
        if key in tries and all(call["outcome"] == "fail" for call in tries[key]):
            yield f"key {key} never got past a door and is in the log as job {first[0]['job']}"
    once = collections.Counter(call["answer"]["seq"] for call in calls if accepted(call))
    for seq, count in once.items():
        if count > 1:
            yield f"duplicate: {count} calls were accepted as seq {seq}"


def order_kept(calls):
    """What was answered before another was asked comes before it in the log."""
    answered = sorted((call for call in calls if call["outcome"] == "ok"), key=lambda call: call["returned"])
    newest, place = None, 0  # of the calls that had returned: the one with the highest seq
    for call in sorted(answered, key=lambda call: call["invoked"]):
        while place < len(answered) and answered[place]["returned"] < call["invoked"]:
            if newest is None or answered[place]["answer"]["seq"] > newest["answer"]["seq"]:
                newest = answered[place]
            place += 1
        if newest is not None and call["answer"]["seq"] <= newest["answer"]["seq"]:
            yield (f"order: {tell(call)} is seq {call['answer']['seq']}, and {tell(newest)}, answered before that was "
                   f"asked, is seq {newest['answer']['seq']}")


# --- what readers saw ---

def reads_hold(seen, log):
    """No reader was given an event that the log does not have, word by word."""
    for record in seen:
        event = record["event"]
        if log.by_seq.get(event["seq"]) != event:
            there = log.by_seq.get(event["seq"], {"type": "nothing"})["type"]
            yield f"aborted read: {event['type']} was seen as seq {event['seq']}, where the log has {there}"


def rows_hold(rows, log):
    """An answer is as new as was asked, shows what was there by then, and nothing from beyond it."""
    for row in rows:
        if row["at"] < row["after"]:
            yield f"a query after seq {row['after']} was answered as of seq {row['at']}"
        born = log.jobs.get(row["job"])
        if row["found"] and (born is None or born > row["at"]):
            yield f"aborted read: job {row['job']} was seen as of seq {row['at']}; in the log it is seq {born}"
        if not row["found"] and born is not None and born <= row["after"]:
            yield f"job {row['job']} (seq {born}) was not seen by a query after seq {row['after']}"


# --- what ran ---

def runs_once(ran, calls, log):
    """An attempt that was placed ran at most once, one that completed ran once, and nothing else ran."""
    runs = collections.Counter((run["job"], run["attempt"]) for run in ran)
    for (job, attempt), count in sorted(runs.items()):
        if count > 1:
            yield f"job {job}, attempt {attempt}, ran {count} times"
        if attempt not in log.placed.get(job, ()):
            yield f"job {job} ran as attempt {attempt}, which was never placed"
    ours = {event["job"] for call in calls if call["type"] == "SubmitJob" for event in log.submitted.get(call["key"], ())}
    for event in log.events:
        if event["type"] == "JobPlaced" and event["array_job"] in ours:
            ours.add(event["job"])
        elif (event["type"] == "JobEnded" and event["state"] == "COMPLETED" and event["job"] in ours
              and (event["job"], event["attempt"]) not in runs):
            yield f"job {event['job']} completed in attempt {event['attempt']}, and never ran"


def cores_used_once(ran, events):
    """Two jobs that were there at one time, by their own clocks, have no core in common; none was told of more than it has."""
    given = {(event["job"], event["attempt"]): list(spans(event["cores"])) for event in events if event["type"] == "JobPlaced"}
    users = collections.defaultdict(list)
    for run in ran:
        cores = given.get((run["job"], run["attempt"]), ())
        if run["cores"] > len(cores):
            yield f"job {run['job']} was told of {run['cores']} cores, and has {len(cores)}"
        if run["ended"] is not None:
            for core in cores:
                users[core].append((run["begun"], run["ended"], run["job"]))
    for core, times in users.items():
        times.sort()
        for (_, ended, job), (begun, _, other) in zip(times, times[1:]):
            if begun < ended and job != other:
                yield f"core {core} was used by jobs {job} and {other} at one time"


# --- kept, and judged again ---

def keep(path, history, events):
    """For a failure: HISTORY.jsonl and LOG.jsonl beside each other, for the command above."""
    path.mkdir(parents=True, exist_ok=True)
    for name, records in (("history.jsonl", history), ("log.jsonl", events)):
        (path / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    history, events = ([json.loads(line) for line in open(path, encoding="utf-8")] for path in sys.argv[1:])
    wrong = judge(history, events)
    print(summary(history))
    for sentence in wrong:
        print(sentence)
    print(f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
