/* face.c - what others see of a controller: its sockets, and what it says of itself (inside.h) */
#define _GNU_SOURCE
#include "controller/inside.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { AGENTS_MAX = 16384 };

int64_t controller_real_us(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void controller_say(struct controller *controller, const struct dk_core *core, int64_t seq,
                    uint32_t epoch)
{
    struct dk_core_stats stats = { 0 };
    const struct dk_leader *leader = controller->leader;
    uint64_t requests = controller->mail != NULL   ? dk_mail_requests(controller->mail)
                        : controller->desk != NULL ? dk_desk_requests(controller->desk)
                                                   : 0;
    char json[1536];

    if (core != NULL)
        dk_core_stats(core, &stats);
    (void)snprintf(
        json, sizeof(json),
        "{\"part\":\"controller\",\"version\":\"%s\",\"role\":\"%s\",\"epoch\":%u,\"seq\":%lld,"
        "\"time\":%lld,\"started\":%lld,\"role_since\":%lld,\"lag_us\":%lld,\"full\":%s,"
        "\"requests\":%llu,\"batches\":%llu,\"jobs_pending\":%llu,\"jobs_running\":%llu,"
        "\"nodes\":%llu,\"host\":\"%s\",\"pid\":%d}\n",
        controller->options->version, leader != NULL ? "leading" : "standby", epoch, (long long)seq,
        (long long)stats.time, (long long)controller->started, (long long)controller->role_since,
        (long long)controller->lag_us, controller->is_full ? "true" : "false",
        (unsigned long long)requests,
        (unsigned long long)(leader != NULL ? dk_leader_batches(leader) : 0),
        (unsigned long long)stats.jobs_pending, (unsigned long long)stats.jobs_running,
        (unsigned long long)stats.nodes, controller->host, (int)getpid());
    dk_intake_status(controller->intake, json);
}

/* --- sockets --- */

enum dk_status controller_listen(struct controller *controller, struct dk_err *err)
{
    /* Agents of other hosts keep a connection each. */
    uint32_t agents = controller->place->listen[0] != '\0' ? AGENTS_MAX : 0;
    struct dk_http_options http = { .socket = controller->place->control,
                                    .mode = 0666,
                                    .tcp = controller->place->listen,
                                    .connections_max = agents,
                                    .handler = dk_intake_handle,
                                    .context = controller->intake,
                                    .body_max = (uint64_t)64 << 20 };

    dk_intake_refuse(controller->intake, 0, NULL, NULL);
    return dk_http_start(&controller->server, &http, err);
}

/* Sockets of standbys that were killed. */
static void tidy(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

enum dk_status controller_listen_aside(struct controller *controller, struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 128];
    struct dk_http_options http = {
        .socket = path, .mode = 0666, .handler = dk_intake_handle, .context = controller->intake
    };

    dk_intake_refuse(controller->intake, 503, "NOT_LEADING",
                     "this controller stands by: ask the one that leads");
    (void)snprintf(path, sizeof(path), "%s/run/controllers", controller->place->dir);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return dk_fail(err, DK_IO, "folder '%s': %s", path, strerror(errno));
    tidy(path);
    (void)snprintf(path, sizeof(path), "%s/run/controllers/%d.sock", controller->place->dir,
                   (int)getpid());
    return dk_http_start(&controller->aside, &http, err);
}
