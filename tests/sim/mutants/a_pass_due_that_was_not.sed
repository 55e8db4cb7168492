# core/sched/apply.c: domains are built anew inside the first decision, and count as changed by it
/^void dk_core_apply/,/^}/{s/    if (decision)$/    if (false)/;s/^    switch (event->type) {/    if (decision)\
        dk_domains_ensure(core);\
    switch (event->type) {/}
