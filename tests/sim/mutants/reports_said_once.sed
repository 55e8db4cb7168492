# nodes/reports.c: a call with reports that failed counts as answered
/^int64_t dk_reports_failed/,/^}/s/    reports->calling = 0;/    for (; reports->calling > 0; reports->calling--) {\n        reports->waiting = reports->waiting->next;\n        if (reports->waiting == NULL)\n            reports->waiting_last = \&reports->waiting;\n    }/
