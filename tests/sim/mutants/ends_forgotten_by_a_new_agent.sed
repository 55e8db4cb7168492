# nodes/recover.c: an agent that starts does not repeat the reports of the one before
/^static void find(/,/^}/s/dk_outbox_report(agent->outbox, duty->job, duty->attempt,/if (false) dk_outbox_report(agent->outbox, duty->job, duty->attempt,/
