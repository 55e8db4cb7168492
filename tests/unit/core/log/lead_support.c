/* lead_support.c - see lead_support.h */
#include "lead_support.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct dk_lead *must_join(const char *uri, const struct dk_lead_options *options)
{
    struct dk_lead *lead;
    struct dk_err err;

    if (dk_lead_join(&lead, uri, options, &err) != DK_OK)
        fail_msg("%s", err.text);
    return lead;
}

int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t term_after(struct dk_lead *lead, uint64_t term, int timeout_ms)
{
    struct pollfd fd = { .fd = dk_lead_fd(lead), .events = POLLIN };
    uint64_t now;

    while ((now = dk_lead_term(lead)) == term) {
        if (poll(&fd, 1, timeout_ms) <= 0)
            return dk_lead_term(lead);
    }
    return now;
}

static volatile sig_atomic_t told_to_end;

static void end(int signal)
{
    (void)signal;
    told_to_end = 1;
}

bool candidate_main(int argc, char **argv)
{
    struct dk_lead *lead;
    uint64_t term = 0;
    struct dk_err err;

    if (argc != 3 || strcmp(argv[1], "--candidate") != 0)
        return false;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGTERM, end);
    if (dk_lead_join(&lead, argv[2], NULL, &err) != DK_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return true;
    }
    while (!told_to_end) {
        uint64_t now = term_after(lead, term, 100);

        if (now != term)
            (void)printf("%" PRIu64 "\n", now);
        (void)fflush(stdout);
        term = now;
    }
    dk_lead_leave(lead);
    return true;
}

struct candidate candidate_start(const char *uri)
{
    struct candidate candidate;
    int out[2];

    assert_int_equal(pipe(out), 0);
    candidate.pid = fork();
    assert_true(candidate.pid >= 0);
    if (candidate.pid == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execl("/proc/self/exe", "candidate", "--candidate", uri, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    candidate.out = out[0];
    return candidate;
}

uint64_t candidate_term(const struct candidate *candidate, int timeout_ms)
{
    struct pollfd fd = { .fd = candidate->out, .events = POLLIN };
    char line[32] = "";

    for (size_t size = 0; size < sizeof(line) - 1; size++) {
        if (poll(&fd, 1, timeout_ms) <= 0)
            fail_msg("the candidate says nothing within %d ms", timeout_ms);
        if (read(candidate->out, &line[size], 1) != 1)
            fail_msg("the candidate has ended");
        if (line[size] == '\n')
            break;
    }
    return strtoull(line, NULL, 10);
}

void candidate_end(struct candidate *candidate, int signal)
{
    (void)kill(candidate->pid, signal);
    (void)kill(candidate->pid, SIGCONT);
    (void)waitpid(candidate->pid, NULL, 0);
    (void)close(candidate->out);
}
