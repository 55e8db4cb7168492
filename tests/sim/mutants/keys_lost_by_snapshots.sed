# core/sched/snapshot.c: a core that was restored does not know the keys
/^static void io_keys/,/^}/s/    io_u64(io, &total);/    if (writing(io))\n        total = 0;\n    io_u64(io, \&total);/
