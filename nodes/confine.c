/* confine.c - cgroups of jobs (confine.h)
 *
 * Only files are read and written, so that tests can hold version 2, which this project's machines
 * lack, against a folder of fake ones.
 */
#define _GNU_SOURCE
#include "nodes/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define V2_WANTED "+cpu +cpuset +memory" /* controllers that the groups of jobs get */
#define ASIDE "/docket-agents"           /* where daemons are, beside the jobs */

enum { FREEZER, CPUSET, MEMORY };
enum { CLOSE_TRIES = 200 }; /* of a millisecond: who was killed has to be scheduled to end */

const char *dk_confine_name(enum dk_confine_level level)
{
    static const char *const names[] = { "none", "cgroup1", "cgroup2" };

    return names[level];
}

/* --- files --- */

static bool join(char out[DK_CONFINE_PATH + 64], const char *folder, const char *name)
{
    int size = snprintf(out, DK_CONFINE_PATH + 64, "%s/%s", folder, name);

    return size > 0 && size < DK_CONFINE_PATH + 64;
}

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[DK_CONFINE_PATH + 64];
    size_t size = strlen(text);
    bool done;
    int fd;

    if (!join(path, folder, name))
        return false;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    done = write(fd, text, size) == (ssize_t)size;
    if (close(fd) != 0)
        done = false;
    return done;
}

static bool read_text(const char *folder, const char *name, char *text, size_t size)
{
    char path[DK_CONFINE_PATH + 64];
    ssize_t got;
    int fd;

    if (!join(path, folder, name))
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, size - 1);
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got >= 0;
}

static bool has_word(const char *text, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += size)
        if ((at == text || at[-1] == ' ' || at[-1] == ',') &&
            (at[size] == '\0' || at[size] == ' ' || at[size] == '\n' || at[size] == ','))
            return true;
    return false;
}

/* Makes `path` and the folder above it. */
static bool make_two(const char *path)
{
    char above[DK_CONFINE_PATH];
    char *slash;

    (void)snprintf(above, sizeof(above), "%s", path);
    slash = strrchr(above, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    if (mkdir(above, 0755) != 0 && errno != EEXIST)
        return false;
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static void job_path(const struct dk_confine *confine, uint32_t index, const char *job,
                     char out[DK_CONFINE_PATH])
{
    if (snprintf(out, DK_CONFINE_PATH, "%s/%s", confine->base[index], job) >= DK_CONFINE_PATH)
        out[0] = '\0';
}

/* --- where hierarchies are --- */

/* Where the hierarchy of `controller` is mounted (version 2: ""), from lines of mountinfo:
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ... - TYPE SOURCE OPTIONS */
static bool find_mount(const char *mounts, const char *controller, char out[DK_CONFINE_PATH])
{
    char line[4096], point[DK_CONFINE_PATH], type[64], options[1024];
    FILE *file = fopen(mounts, "re");
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        const char *after = strstr(line, " - ");

        if (after == NULL || sscanf(line, "%*s %*s %*s %*s %1023s", point) != 1 ||
            sscanf(after, " - %63s %*s %1023s", type, options) != 2)
            continue;
        found = controller[0] == '\0'
                    ? strcmp(type, "cgroup2") == 0
                    : strcmp(type, "cgroup") == 0 && has_word(options, controller);
    }
    if (file != NULL)
        (void)fclose(file);
    if (found)
        (void)snprintf(out, DK_CONFINE_PATH, "%s", point);
    return found;
}

/* Our own group there: "9:cpuset:/path", version 2: "0::/path". */
static bool find_own(const char *own_groups, const char *controller, char out[DK_CONFINE_PATH])
{
    char line[4096];
    FILE *file = fopen(own_groups, "re");
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;

        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = controller[0] == '\0' ? list[1] == '\0' : has_word(list + 1, controller);
        if (found)
            (void)snprintf(out, DK_CONFINE_PATH, "%s", strcmp(path, "/") == 0 ? "" : path);
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static bool find_base(const char *id, const char *controller, const char *own_groups,
                      const char *mounts, char out[DK_CONFINE_PATH], char own[DK_CONFINE_PATH])
{
    char mount[DK_CONFINE_PATH], path[DK_CONFINE_PATH];
    int size;

    if (!find_mount(mounts, controller, mount) || !find_own(own_groups, controller, path))
        return false;
    if (strlen(path) >= strlen(ASIDE) && strcmp(path + strlen(path) - strlen(ASIDE), ASIDE) == 0)
        path[strlen(path) - strlen(ASIDE)] = '\0'; /* we, or our parent, have moved before */
    if (snprintf(own, DK_CONFINE_PATH, "%s%s", mount, path) >= DK_CONFINE_PATH)
        return false;
    size = snprintf(out, DK_CONFINE_PATH, "%s/docket/%s", own, id);
    return size > 0 && size < DK_CONFINE_PATH - 64;
}

/* --- probing --- */

/* Version 2 gives controllers only to children of a group that has no processes of its own, so the
 * agent moves itself aside, and the other daemons of ours that one service started with it. Anybody
 * else in the group makes this fail: it is not delegated to us then. */
static void move_aside(const char *own, const char *aside)
{
    char path[DK_CONFINE_PATH + 64], line[32], name[32];
    FILE *file;

    (void)write_text(aside, "cgroup.procs", "0");
    file = join(path, own, "cgroup.procs") ? fopen(path, "re") : NULL;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(path, sizeof(path), "/proc/%s", line);
        if (read_text(path, "comm", name, sizeof(name)) && strncmp(name, "docketd", 7) == 0)
            (void)write_text(aside, "cgroup.procs", line);
    }
    if (file != NULL)
        (void)fclose(file);
}

/* A group of version 1's cpuset is unusable until it has cores and memory nodes of its parent. */
static bool inherit_cpuset(const char *folder)
{
    static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
    char above[DK_CONFINE_PATH], text[1024];

    (void)snprintf(above, sizeof(above), "%s", folder);
    *strrchr(above, '/') = '\0';
    for (int i = 0; i < 2; i++) {
        if (!read_text(folder, names[i], text, sizeof(text)))
            return false;
        if (text[0] != '\0' && text[0] != '\n')
            continue;
        if (!read_text(above, names[i], text, sizeof(text)))
            return false;
        text[strcspn(text, "\n")] = '\0';
        if (!write_text(folder, names[i], text))
            return false;
    }
    return true;
}

/* The group above the jobs' groups, with what it passes on to them. Made at the start, and again
 * should somebody have tidied it away while no job was in it. */
static bool make_base(const struct dk_confine *confine, uint32_t index, bool is_v2)
{
    char above[DK_CONFINE_PATH];

    if (!make_two(confine->base[index]))
        return false;
    (void)snprintf(above, sizeof(above), "%s", confine->base[index]);
    *strrchr(above, '/') = '\0';
    if (is_v2)
        return write_text(above, "cgroup.subtree_control", V2_WANTED) &&
               write_text(confine->base[index], "cgroup.subtree_control", V2_WANTED);
    return index != CPUSET || (inherit_cpuset(above) && inherit_cpuset(confine->base[index]));
}

static bool probe_v2(struct dk_confine *confine, const char *id, const char *own_groups,
                     const char *mounts)
{
    char own[DK_CONFINE_PATH], path[DK_CONFINE_PATH + 64], controllers[1024];

    if (!find_base(id, "", own_groups, mounts, confine->base[0], own)) {
        (void)snprintf(confine->remark, sizeof(confine->remark), "cgroup2 is not mounted");
        return false;
    }
    if (!read_text(own, "cgroup.controllers", controllers, sizeof(controllers)) ||
        !has_word(controllers, "memory") || !has_word(controllers, "cpuset") ||
        !has_word(controllers, "cpu")) {
        (void)snprintf(confine->remark, sizeof(confine->remark),
                       "cgroup2 has no controllers cpu, cpuset and memory here");
        return false;
    }
    (void)snprintf(path, sizeof(path), "%s" ASIDE, own);
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        move_aside(own, path);
    if (!write_text(own, "cgroup.subtree_control", V2_WANTED) || !make_base(confine, 0, true)) {
        (void)snprintf(confine->remark, sizeof(confine->remark),
                       "cgroup2 is not delegated to us: %s", strerror(errno));
        return false;
    }
    confine->count = 1;
    return true;
}

static bool probe_v1(struct dk_confine *confine, const char *id, const char *own_groups,
                     const char *mounts)
{
    static const char *const names[] = { "freezer", "cpuset", "memory" };
    char own[DK_CONFINE_PATH];

    for (uint32_t i = 0; i < DK_CONFINE_GROUPS; i++) {
        if (!find_base(id, names[i], own_groups, mounts, confine->base[i], own) ||
            !make_base(confine, i, false)) {
            (void)snprintf(confine->remark, sizeof(confine->remark),
                           "cgroup1's %s can't be used: %s", names[i], strerror(errno));
            return false;
        }
    }
    confine->count = DK_CONFINE_GROUPS;
    return true;
}

void dk_confine_probe(struct dk_confine *confine, const char *id, enum dk_confine_level level_max,
                      const char *own_groups, const char *mounts)
{
    memset(confine, 0, sizeof(*confine));
    if (level_max >= DK_CONFINE_CGROUP2 && probe_v2(confine, id, own_groups, mounts))
        confine->level = DK_CONFINE_CGROUP2;
    else if (level_max >= DK_CONFINE_CGROUP1 && probe_v1(confine, id, own_groups, mounts))
        confine->level = DK_CONFINE_CGROUP1;
}

/* --- groups of a job --- */

/* Version 1's hierarchies are joined one by one, which costs: memory ten times the others. */
static bool is_used(const struct dk_confine *confine, uint32_t index,
                    const struct dk_confine_share *share)
{
    if (confine->level != DK_CONFINE_CGROUP1)
        return true;
    return index == FREEZER || (index == CPUSET && share->cpu_count > 0) ||
           (index == MEMORY && share->memory_mib > 0);
}

static void cpu_list(const struct dk_confine_share *share, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < share->cpu_count && used < size - 16; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%u", i > 0 ? "," : "", share->cpus[i]);
}

static bool set_v2(const char *folder, const struct dk_confine_share *share)
{
    char text[16384];
    int64_t weight = (int64_t)share->cores * 100;
    bool done = true;

    if (share->memory_mib > 0) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)(share->memory_mib * 1048576));
        done = write_text(folder, "memory.max", text);
        (void)write_text(folder, "memory.swap.max", "0"); /* not there without swap */
    }
    (void)snprintf(text, sizeof(text), "%lld",
                   (long long)(weight < 1       ? 1
                               : weight > 10000 ? 10000
                                                : weight));
    done = done && write_text(folder, "cpu.weight", text);
    cpu_list(share, text, sizeof(text));
    if (share->cpu_count > 0)
        done = done && write_text(folder, "cpuset.cpus", text);
    return done;
}

static bool set_v1(uint32_t index, const char *folder, const struct dk_confine_share *share)
{
    char text[16384];

    if (index == CPUSET) {
        cpu_list(share, text, sizeof(text));
        if (share->cpu_count > 0 && !write_text(folder, "cpuset.cpus", text))
            return false;
        return inherit_cpuset(folder);
    }
    if (index != MEMORY)
        return true;
    (void)snprintf(text, sizeof(text), "%lld", (long long)(share->memory_mib * 1048576));
    if (!write_text(folder, "memory.limit_in_bytes", text))
        return false;
    (void)write_text(folder, "memory.memsw.limit_in_bytes", text); /* not everywhere */
    return true;
}

enum dk_status dk_confine_open(const struct dk_confine *confine, const char *job,
                               const struct dk_confine_share *share,
                               char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH], uint32_t *count,
                               struct dk_err *err)
{
    *count = 0;
    for (uint32_t i = 0; i < confine->count; i++) {
        char folder[DK_CONFINE_PATH];
        bool done;

        if (!is_used(confine, i, share))
            continue;
        job_path(confine, i, job, folder);
        done = mkdir(folder, 0755) == 0 || errno == EEXIST;
        if (!done && errno == ENOENT && make_base(confine, i, confine->level == DK_CONFINE_CGROUP2))
            done = mkdir(folder, 0755) == 0;
        if (done)
            done = confine->level == DK_CONFINE_CGROUP2 ? set_v2(folder, share)
                                                        : set_v1(i, folder, share);
        if (!done) {
            int error = errno;

            (void)dk_confine_close(confine, job);
            return dk_fail(err, DK_IO, "cgroup '%s': %s", folder, strerror(error));
        }
        (void)snprintf(procs[*count], DK_CONFINE_PATH, "%.*s/cgroup.procs", DK_CONFINE_PATH - 16,
                       folder);
        ++*count;
    }
    return DK_OK;
}

bool dk_confine_oom(const struct dk_confine *confine, const char *job)
{
    const bool is_v2 = confine->level == DK_CONFINE_CGROUP2;
    char folder[DK_CONFINE_PATH], text[1024];
    const char *at;

    if (confine->level == DK_CONFINE_NONE)
        return false;
    job_path(confine, is_v2 ? 0 : MEMORY, job, folder);
    if (!read_text(folder, is_v2 ? "memory.events" : "memory.oom_control", text, sizeof(text)))
        return false;
    at = strstr(text, "oom_kill ");
    return at != NULL && strtoll(at + 9, NULL, 10) > 0;
}

static uint32_t signal_listed(const char *folder, int signal)
{
    char path[DK_CONFINE_PATH + 64], line[32];
    uint32_t count = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);

        if (pid > 0 && kill(pid, signal) == 0)
            count++;
    }
    if (file != NULL)
        (void)fclose(file);
    return count;
}

uint32_t dk_confine_signal(const struct dk_confine *confine, const char *job, int signal)
{
    char folder[DK_CONFINE_PATH];
    uint32_t count;

    if (confine->level == DK_CONFINE_NONE)
        return 0;
    job_path(confine, 0, job, folder);
    if (signal != SIGKILL)
        return signal_listed(folder, signal);
    if (confine->level == DK_CONFINE_CGROUP2)
        return write_text(folder, "cgroup.kill", "1") ? 1 : signal_listed(folder, signal);
    count = signal_listed(folder, signal);
    if (count == 0)
        return 0; /* as nearly always: the keeper has seen to it */
    /* Frozen, nobody can fork while the list is read. Who is gone by then was there all the same.
     */
    (void)write_text(folder, "freezer.state", "FROZEN");
    count += signal_listed(folder, signal);
    (void)write_text(folder, "freezer.state", "THAWED");
    return count;
}

bool dk_confine_close(const struct dk_confine *confine, const char *job)
{
    const struct timespec pause = { 0, 1000000 };
    char folder[DK_CONFINE_PATH];
    bool done = true;

    for (uint32_t i = 0; i < confine->count; i++) {
        bool gone = false;

        job_path(confine, i, job, folder);
        for (int tries = 0; !gone && tries < CLOSE_TRIES; tries++) {
            gone = rmdir(folder) == 0 || errno == ENOENT;
            if (gone)
                break;
            (void)dk_confine_signal(confine, job, SIGKILL);
            (void)nanosleep(&pause, NULL);
        }
        done = done && gone;
    }
    return done;
}

void dk_confine_leave(const struct dk_confine *confine)
{
    char path[DK_CONFINE_PATH];

    for (uint32_t i = 0; i < confine->count; i++) {
        (void)snprintf(path, sizeof(path), "%s", confine->base[i]);
        if (rmdir(path) != 0)
            continue;
        *strrchr(path, '/') = '\0';
        (void)rmdir(path); /* "docket", unless another agent is in it */
    }
}

void dk_confine_each(const struct dk_confine *confine,
                     void (*visit)(void *context, const char *job), void *context)
{
    for (uint32_t i = 0; i < confine->count; i++) {
        DIR *folder = opendir(confine->base[i]);
        const struct dirent *entry;

        while (folder != NULL && (entry = readdir(folder)) != NULL)
            if (entry->d_type == DT_DIR && entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
                visit(context, entry->d_name);
        if (folder != NULL)
            (void)closedir(folder);
    }
}
