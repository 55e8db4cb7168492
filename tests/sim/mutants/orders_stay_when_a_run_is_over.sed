# projections/live_jobs.c: a run that was requeued leaves its orders behind
s/    dk_orders_over(live, job, &event->meta);/    (void)event;/
