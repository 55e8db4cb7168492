# core/sched/admit_job.c: the idempotency key is not looked up
/^void dk_admit_submit/,/^}/s/    if (before != 0) {/    if (before < 0) {/
