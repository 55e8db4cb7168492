# core/sched/apply.c: domains are built anew inside the first decision, and count as changed by it
/^static void begin/,/^}/s/    if (is_decision)$/    if (false)/
/^void dk_core_apply/,/^}/s/^    switch (event->type) {/    if (core->deciding)\
        dk_domains_ensure(core);\
    switch (event->type) {/
