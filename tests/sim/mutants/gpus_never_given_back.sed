# core/sched/machine.c: the GPUs of a job that has ended stay taken
/^static void gpus_move/,/^}/s/dk_bitmap_add_range(&core->gpus_free, range.first, range.count);/;/
