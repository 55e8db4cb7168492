/* munged.c - see munged.h */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "munged.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_SIZE = 128 };

static void run(const char *folder, const char *socket)
{
    char options[5][SCRATCH_MAX + 96];
    const char *const names[] = { "key-file", "pid-file", "log-file", "seed-file" };
    char path[SCRATCH_MAX + 64];
    int fd;

    for (int i = 0; i < 4; i++)
        snprintf(options[i], sizeof(options[i]), "--%s=%s/%s", names[i], folder, names[i]);
    snprintf(options[4], sizeof(options[4]), "--socket=%s", socket);
    snprintf(path, sizeof(path), "%s/said", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that fails */
    execlp("munged", "munged", "--foreground", "--force", options[0], options[1], options[2],
           options[3], options[4], (char *)NULL);
    _exit(127);
}

static bool answers(void *context)
{
    static const uint8_t digest[DK_DIGEST_SIZE];
    const struct munged *munged = context;
    char text[DK_CREDENTIAL_SIZE_MAX];

    return dk_credential_make(munged->munge.socket, digest, text, NULL) == DK_OK;
}

bool munged_start(struct munged *munged, const char *folder, const char *name)
{
    char own[SCRATCH_MAX + 16], path[SCRATCH_MAX + 32];
    uint8_t key[KEY_SIZE];
    int fd;

    if (system("command -v munged >/dev/null") != 0)
        return false;
    snprintf(own, sizeof(own), "%s/%s", folder, name);
    snprintf(path, sizeof(path), "%s/key-file", own);
    snprintf(munged->munge.socket, sizeof(munged->munge.socket), "%s/socket", own);
    assert_int_equal(mkdir(own, 0755), 0);
    assert_int_equal(getrandom(key, sizeof(key), 0), sizeof(key));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0400);
    assert_int_equal(write(fd, key, sizeof(key)), sizeof(key));
    close(fd);
    munged->pid = fork();
    assert_true(munged->pid >= 0);
    if (munged->pid == 0)
        run(own, munged->munge.socket);
    assert_true(scratch_wait(10, answers, munged));
    return true;
}

void munged_stop(struct munged *munged)
{
    kill(munged->pid, SIGKILL);
    assert_int_equal(waitpid(munged->pid, NULL, 0), munged->pid);
}
