# nodes/orders.c: a job starts on cores on which another one still dies
s/if (must_wait(agent, duty))/if (must_wait(agent, duty) \&\& false)/
