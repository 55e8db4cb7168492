# core/log/file.c: the name of a segment that a dead writer made is never made durable
/^static enum dk_status restore_tail/,/^}/s/log->io->sync_new(log->io->ctx, log->dir_fd) != 0/false/
