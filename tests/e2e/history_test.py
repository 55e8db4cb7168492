#!/usr/bin/env python3
"""The judge of histories finds what is planted: each test takes a history and a log that hold, breaks one thing, and names the
sentence that has to come."""

import copy
import unittest

import history
from cluster import main


def event(kind, seq, cause=0, epoch=1, **fields):
    return {"type": kind, "seq": seq, "time": seq, "epoch": epoch, "cause": cause, "actor": None, **fields}


def closed(seq, events, requests_next, epoch=1):
    return event("BatchClosed", seq, epoch=epoch, events=events, requests_next=requests_next)


def placed(seq, job, first, count=1, attempt=1, epoch=1):
    return event("JobPlaced", seq, epoch=epoch, job=job, attempt=attempt, array_job=0, cores=[{"gap": first, "count": count}])


def ended(seq, cause, job, attempt=1, epoch=1):
    return event("JobEnded", seq, cause, epoch, job=job, attempt=attempt, state="COMPLETED")


LOG = [
    event("ControllerStarted", 1), closed(2, 1, 1),
    event("JobSubmitted", 3, 1, job=1, key="aa"), placed(4, 1, 0, 2), closed(5, 2, 2),
    event("JobSubmitted", 6, 2, job=2, key="bb"), event("JobSubmitted", 7, 3, job=3, key="cc"), placed(8, 2, 2), closed(9, 3, 4),
    event("ControllerStarted", 10, epoch=2), closed(11, 1, 4, 2),
    event("RequestRejected", 12, 4, 2, key="bb", request="SubmitJob", reason="DUPLICATE"), closed(13, 1, 5, 2),
    event("JobHeld", 14, 5, 2, job=3), closed(15, 1, 6, 2),
    ended(16, 6, 1, epoch=2), closed(17, 1, 7, 2),
    event("RequestRejected", 18, 7, 2, key="dd", request="HoldJob", reason="WRONG_STATE"), closed(19, 1, 8, 2),
    event("JobRequeued", 20, 8, 2, job=2), placed(21, 2, 0, attempt=2, epoch=2), closed(22, 2, 9, 2),
    ended(23, 9, 2, 2, 2), closed(24, 1, 10, 2),
]


def call(invoked, returned, kind, key, answer=None, job=None, outcome="ok"):
    return {"kind": "call", "client": 0, "key": key, "type": kind, "job": job, "invoked": invoked, "returned": returned,
            "outcome": outcome, **({"answer": answer} if answer else {})}


def said(result, seq, **more):
    return {"result": result, "seq": seq, **more}


HISTORY = [
    call(1, 2, "SubmitJob", "aa", said("accepted", 3, job=1)),                           # 0
    call(3, 4, "SubmitJob", "bb", outcome="unknown"),                                    # 1
    call(3, 5, "SubmitJob", "cc", said("accepted", 7, job=3)),                           # 2
    call(6, 7, "SubmitJob", "bb", said("duplicate", 12, job=2)),                         # 3
    call(8, 9, "HoldJob", "ee", said("accepted", 14, event="JobHeld", job=3), job=3),    # 4
    call(10, 11, "HoldJob", "dd", said("rejected", 18, reason="WRONG_STATE"), job=1),    # 5
    call(10, 11, "SubmitJob", "ff", outcome="fail"),                                     # 6
    {"kind": "seen", "event": LOG[6]},                                                   # 7
    {"kind": "row", "job": 3, "at": 9, "after": 7, "found": True, "state": "PENDING"},   # 8
    {"kind": "ran", "job": 1, "attempt": 1, "nonce": "1", "cores": 2, "begun": 2.5, "ended": 8.0},   # 9
    {"kind": "ran", "job": 2, "attempt": 1, "nonce": "2", "cores": 1, "begun": 4.0, "ended": None},  # 10
    {"kind": "ran", "job": 2, "attempt": 2, "nonce": "3", "cores": 1, "begun": 9.0, "ended": 9.5},   # 11
    {"kind": "fault", "at": 5, "what": "kill controller"},
]


class Judge(unittest.TestCase):
    def setUp(self):
        self.history, self.log = copy.deepcopy(HISTORY), copy.deepcopy(LOG)

    def finds(self, sentence):
        wrong = history.judge(self.history, self.log)
        self.assertTrue(any(sentence in each for each in wrong), f"'{sentence}' is not in {wrong}")

    def close_over(self):
        """The log numbered anew, after a test has taken out or put in an event."""
        for seq, each in enumerate(self.log, 1):
            each["seq"] = seq

    def test_a_history_that_holds_is_let_alone(self):
        self.assertEqual(history.judge(self.history, self.log), [])

    # --- lost ---

    def test_an_acknowledged_write_that_is_not_in_the_log(self):
        del self.log[-5:]
        self.history[5]["answer"]["seq"] = 25
        self.finds("lost: HoldJob of job 1 with key dd was rejected as seq 25, and the log has no such seq")

    def test_an_acknowledged_write_that_became_another(self):
        self.log[6]["key"] = "xx"
        self.finds("lost: SubmitJob with key cc was accepted as seq 7, where the log has the submission with key xx")

    def test_an_acknowledged_hold_of_another_job(self):
        self.log[13]["job"] = 2
        self.finds("lost: HoldJob of job 3 with key ee was accepted as seq 14, where the log has JobHeld of job 2")

    def test_a_rejection_for_another_reason(self):
        self.log[17]["reason"] = "NOT_FOUND"
        self.finds("was rejected as seq 18, where the log has RequestRejected NOT_FOUND")

    def test_a_duplicate_of_nothing(self):
        self.history[3]["answer"]["job"] = 9
        self.finds("where the log has nothing that makes it job 9")

    def test_an_answer_out_of_a_batch_that_was_never_closed(self):
        del self.log[18:]
        self.finds("was answered as seq 18, whose batch was never closed")
        self.finds("the log ends at seq 18 inside a batch")

    # --- twice ---

    def test_one_key_two_jobs(self):
        self.log[11] = event("JobSubmitted", 12, 4, 2, job=9, key="bb")
        self.finds("duplicate: key bb is in the log as jobs [2, 9]")

    def test_one_key_answered_with_two_jobs(self):
        self.history.append(call(3, 4, "SubmitJob", "bb", said("accepted", 6, job=7)))
        self.finds("duplicate: key bb was answered with jobs [2, 7]")

    def test_one_job_for_two_submissions(self):
        self.history.append(call(3, 4, "SubmitJob", "zz", said("accepted", 7, job=3)))
        self.finds("job 3 was given to two submissions: cc, zz")
        self.finds("duplicate: 2 calls were accepted as seq 7")

    def test_what_surely_failed_is_in_the_log(self):
        self.history[1]["outcome"] = "fail"
        self.history[3]["outcome"] = "fail"
        self.finds("key bb never got past a door and is in the log as job 2")

    def test_a_request_admitted_in_two_batches(self):
        self.log[13]["cause"] = 3
        self.finds("seq 14: request 3 was admitted again")

    def test_a_request_with_two_outcomes(self):
        self.log[7] = event("RequestRejected", 8, 3, key="cc", reason="INVALID")
        self.finds("seq 8: request 3 has two outcomes: JobSubmitted and RequestRejected")

    def test_positions_that_go_back(self):
        self.log[14]["requests_next"] = 3
        self.finds("requests_next goes back from 5 to 3")

    # --- aborted reads ---

    def test_an_event_that_was_seen_and_is_not_in_the_log(self):
        self.history[7] = {"kind": "seen", "event": event("JobSubmitted", 12, 4, job=4, key="gg")}
        self.finds("aborted read: JobSubmitted was seen as seq 12, where the log has RequestRejected")

    def test_an_event_that_was_seen_with_other_words(self):
        self.history[7]["event"] = {**LOG[6], "job": 8}
        self.finds("aborted read: JobSubmitted was seen as seq 7")

    def test_a_job_in_an_answer_that_is_not_in_the_log(self):
        self.history[8]["job"] = 77
        self.finds("aborted read: job 77 was seen as of seq 9; in the log it is seq None")

    def test_a_job_in_an_answer_before_it_was_there(self):
        self.history[8].update(at=6, after=0)
        self.finds("aborted read: job 3 was seen as of seq 6; in the log it is seq 7")

    # --- order ---

    def test_two_calls_one_after_the_other_and_the_log_the_other_way_round(self):
        self.history[0].update(invoked=5.5, returned=5.8)
        self.finds("order: SubmitJob with key aa is seq 3, and SubmitJob with key cc")

    def test_own_writes_are_not_read(self):
        self.history[8].update(found=False)
        self.finds("job 3 (seq 7) was not seen by a query after seq 7")

    def test_an_answer_older_than_was_asked(self):
        self.history[8].update(at=6, after=7, found=False)
        self.finds("a query after seq 7 was answered as of seq 6")

    def test_a_fenced_writer_that_writes(self):
        self.log[12]["epoch"] = 1
        self.finds("seq 13 is of epoch 1, after one of epoch 2: a fenced writer wrote")

    def test_an_epoch_twice(self):
        self.log[9]["epoch"] = self.log[10]["epoch"] = 1
        self.finds("seq 10: epoch 1 was begun twice")

    def test_an_epoch_that_nobody_began(self):
        self.log[23]["epoch"] = 3
        self.finds("seq 24 is of epoch 3, which nobody began")

    def test_a_hole_in_the_log(self):
        del self.log[5]
        self.finds("the log has seq 7 where 6 belongs")

    def test_half_a_batch(self):
        del self.log[6]
        self.close_over()
        self.finds("the batch that ends at seq 8 has 2 events and says 3")

    # --- what ran ---

    def test_an_attempt_that_ran_twice(self):
        self.history.append({**self.history[9], "nonce": "9"})
        self.finds("job 1, attempt 1, ran 2 times")

    def test_a_second_attempt_without_a_requeue(self):
        self.history.append({**self.history[9], "attempt": 2})
        self.finds("job 1 ran as attempt 2, which was never placed")

    def test_a_second_placement_without_a_requeue(self):
        self.log[19] = event("JobReleased", 20, 8, 2, job=3)
        self.finds("seq 21: job 2 is placed, and has cores already")

    def test_a_job_that_completed_and_never_ran(self):
        del self.history[9]
        self.finds("job 1 completed in attempt 1, and never ran")

    # --- cores ---

    def test_a_core_given_twice(self):
        self.log[7]["cores"] = [{"gap": 1, "count": 1}]
        self.finds("seq 8: core 1 is given to job 2, and job 1 has it")

    def test_a_core_used_twice_at_one_time(self):
        self.history[9]["ended"] = 9.2
        self.finds("core 0 was used by jobs 1 and 2 at one time")

    def test_a_job_that_was_told_of_more_cores_than_it_has(self):
        self.history[9]["cores"] = 3
        self.finds("job 1 was told of 3 cores, and has 2")


if __name__ == "__main__":
    main()
