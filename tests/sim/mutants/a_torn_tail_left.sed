# core/log/file.c: what a dead writer left half written is not zeroed, and may come to life
s/write_zeros(log, tail->end, tail->torn_end, err);/DK_OK;/
