/* check.h - an invariant that, when broken, is our own bug
 *
 * DK_CHECK stays on in release builds: a workload manager that goes on with a
 * wrong state gives cores away twice. The process ends (exit status 70 once an
 * edge has installed a hook, else a trap); the log is the truth, so nothing is lost.
 */
#ifndef DK_BASE_CHECK_H
#define DK_BASE_CHECK_H

#define DK_CHECK(condition)                                                                        \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            dk_check_failed(#condition, __FILE_NAME__, __LINE__);                                  \
    } while (0)

#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

_Noreturn void dk_check_failed(const char *condition, const char *file, int line);

/* Called once with the broken invariant; it should say it and exit. Set by an edge at start. */
typedef void dk_check_hook(const char *condition, const char *file, int line);
void dk_check_set_hook(dk_check_hook *hook);

#endif
