# core/controller/leader.c: whom another has taken over from answers as if all were well
s/= dk_log_sync(leader->options.log, err);/= dk_log_sync(leader->options.log, err);\n    if (status == DK_FENCED)\n        status = DK_OK;/
