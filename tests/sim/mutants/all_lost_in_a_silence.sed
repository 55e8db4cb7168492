# core/sched/silence.c: nodes are given up while most are silent
s/return silent \* 2 > all ? DK_SILENCE_OURS : DK_SILENCE_THEIRS;/return DK_SILENCE_THEIRS;/
