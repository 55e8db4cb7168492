# core/sched/machine.c: the last core of each range that is taken stays free
/^static void cores_move/,/^}/s/dk_bitmap_remove_range(&core->cores_free, range.first, range.count);/dk_bitmap_remove_range(\&core->cores_free, range.first, range.count - 1);/
