/* check.c - see check.h */
#include "base/check.h"

#include <stddef.h>

static dk_check_hook *check_hook;

void dk_check_set_hook(dk_check_hook *hook)
{
    check_hook = hook;
}

_Noreturn void dk_check_failed(const char *condition, const char *file, int line)
{
    if (check_hook != NULL)
        check_hook(condition, file, line);
    __builtin_trap();
}
