/* place.c - where a cluster is (place.h) */
#define _GNU_SOURCE
#include "net/place.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_PLACE "/var/lib/docket"

void dk_place_path(const struct dk_place *place, const char *name, char *out)
{
    (void)snprintf(out, DK_PLACE_PATH_MAX + 64, "%s/%s", place->dir, name);
}

/* ~/.local/state/docket; empty: no home. */
static void own_place(char *out, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const struct passwd *user;

    out[0] = '\0';
    if (state != NULL && state[0] == '/') {
        (void)snprintf(out, size, "%s/docket", state);
        return;
    }
    if (home == NULL || home[0] != '/') {
        user = getpwuid(getuid());
        home = user != NULL ? user->pw_dir : NULL;
    }
    if (home != NULL && home[0] == '/')
        (void)snprintf(out, size, "%s/.local/state/docket", home);
}

static bool is_cluster(const char *dir)
{
    char path[DK_PLACE_PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/run/query.sock", dir);
    return access(path, F_OK) == 0;
}

/* --- docket.conf --- */

struct setting {
    const char *name;
    size_t offset, size;
    const char *variable; /* of the environment, that comes first; NULL: none */
    bool (*fits)(const char *value, struct dk_err *err); /* NULL: any text does */
};

#define SETTING(field) offsetof(struct dk_place, field), sizeof(((struct dk_place *)NULL)->field)

static bool names_cluster(const char *value, struct dk_err *err)
{
    if (value[0] == '\0' || dk_munge_names_cluster(value))
        return true;
    (void)dk_fail(err, DK_INVALID,
                  "'%s' names no cluster: 1 to %d letters, digits, '-', '_' and '.'", value,
                  DK_CLUSTER_NAME_MAX - 1);
    return false;
}

static const struct setting settings[] = {
    { "log", SETTING(log_uri), NULL, NULL },
    { "controllers", SETTING(controllers), "DOCKET_CONTROLLERS", NULL },
    { "projectors", SETTING(projectors), "DOCKET_PROJECTORS", NULL },
    { "listen", SETTING(listen), NULL, NULL },
    { "listen_query", SETTING(listen_query), NULL, NULL },
    { "munge_socket", SETTING(munge.socket), NULL, NULL },
    { "cluster", SETTING(munge.cluster), "DOCKET_CLUSTER", names_cluster },
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]), LINE_SIZE = 4096 };

static enum dk_status set_value(struct dk_place *place, const struct setting *setting,
                                const char *value, struct dk_err *err)
{
    if (strlen(value) >= setting->size)
        return dk_fail(err, DK_INVALID, "the value of '%s' is longer than %zu bytes", setting->name,
                       setting->size - 1);
    if (setting->fits != NULL && !setting->fits(value, err))
        return DK_INVALID;
    (void)snprintf((char *)place + setting->offset, setting->size, "%s", value);
    return DK_OK;
}

enum dk_status dk_place_set(struct dk_place *place, const char *name, const char *value,
                            struct dk_err *err)
{
    if (value == NULL)
        return DK_OK;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].name, name) == 0)
            return set_value(place, &settings[i], value, err);
    }
    return dk_fail(err, DK_INVALID,
                   "unknown name '%s': log, controllers, projectors, listen, listen_query, "
                   "munge_socket or cluster",
                   name);
}

/* Without blanks at both ends. */
static char *trim(char *text)
{
    size_t size;

    text += strspn(text, " \t\r\n");
    size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        text[--size] = '\0';
    return text;
}

static enum dk_status read_line(struct dk_place *place, char *line, struct dk_err *err)
{
    char *value, *name;

    line[strcspn(line, "#")] = '\0';
    name = trim(line);
    if (name[0] == '\0')
        return DK_OK;
    value = strchr(name, '=');
    if (value == NULL)
        return dk_fail(err, DK_INVALID, "'%s' is not 'name = value'", name);
    *value = '\0';
    return dk_place_set(place, trim(name), trim(value + 1), err);
}

static enum dk_status read_file(struct dk_place *place, const char *path, bool *is_there,
                                struct dk_err *err)
{
    FILE *file = fopen(path, "re");
    char line[LINE_SIZE];
    enum dk_status status = DK_OK;

    *is_there = file != NULL || errno != ENOENT;
    if (file == NULL)
        return *is_there ? dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno)) : DK_OK;
    for (int number = 1; status == DK_OK && fgets(line, sizeof(line), file) != NULL; number++) {
        status = read_line(place, line, err);
        if (status != DK_OK)
            (void)dk_fail_in(err, "'%s', line %d", path, number);
    }
    (void)fclose(file);
    return status;
}

static enum dk_status configure(struct dk_place *place, struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 64];
    bool is_there;
    enum dk_status status;

    dk_place_path(place, "docket.conf", path);
    status = read_file(place, path, &is_there, err);
    if (status == DK_OK && !is_there && strcmp(place->dir, SYSTEM_PLACE) == 0)
        status = read_file(place, "/etc/docket/docket.conf", &is_there, err);
    for (size_t i = 0; status == DK_OK && i < SETTINGS; i++) {
        const char *value = settings[i].variable != NULL ? getenv(settings[i].variable) : NULL;

        if (value != NULL)
            status = set_value(place, &settings[i], value, err);
        if (status != DK_OK && value != NULL)
            (void)dk_fail_in(err, "environment, %s", settings[i].variable);
    }
    return status;
}

static enum dk_status set(struct dk_place *place, const char *dir, struct dk_err *err)
{
    char here[DK_PLACE_PATH_MAX];
    int size;

    memset(place, 0, sizeof(*place));
    if (dir[0] == '/') {
        size = snprintf(place->dir, sizeof(place->dir), "%s", dir);
    } else {
        if (getcwd(here, sizeof(here)) == NULL)
            return dk_fail(err, DK_IO, "the working directory: %s", strerror(errno));
        size = snprintf(place->dir, sizeof(place->dir), "%s/%s", here, dir);
    }
    if (size < 0 || (size_t)size >= sizeof(place->dir))
        return dk_fail(err, DK_TOO_LARGE, "the folder's path is longer than %d bytes",
                       DK_PLACE_PATH_MAX);
    while (size > 1 && place->dir[size - 1] == '/')
        place->dir[--size] = '\0';
    (void)snprintf(place->log_dir, sizeof(place->log_dir), "%s/log", place->dir);
    (void)snprintf(place->log_uri, sizeof(place->log_uri), "file:%s/log", place->dir);
    (void)snprintf(place->control, sizeof(place->control), "%s/run/control.sock", place->dir);
    (void)snprintf(place->query, sizeof(place->query), "%s/run/query.sock", place->dir);
    return configure(place, err);
}

enum dk_status dk_place_find(struct dk_place *place, const char *dir, bool is_daemon,
                             struct dk_err *err)
{
    char own[DK_PLACE_PATH_MAX];

    if (dir == NULL)
        dir = getenv("DOCKET_DIR");
    if (dir != NULL && dir[0] != '\0')
        return set(place, dir, err);
    if (getuid() == 0)
        return set(place, SYSTEM_PLACE, err);
    own_place(own, sizeof(own));
    if (own[0] != '\0' && (is_daemon || is_cluster(own)))
        return set(place, own, err);
    return set(place, SYSTEM_PLACE, err);
}

static enum dk_status make_folder(const char *path, mode_t mode, struct dk_err *err)
{
    if (mkdir(path, mode) == 0) {
        (void)chmod(path, mode); /* whatever the umask */
        return DK_OK;
    }
    return errno == EEXIST ? DK_OK : dk_fail(err, DK_IO, "folder '%s': %s", path, strerror(errno));
}

enum dk_status dk_place_make(const struct dk_place *place, struct dk_err *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = { { "log", 0700 },   { "blobs", 0700 }, { "views", 0700 },
                    { "nodes", 0711 }, { "logs", 0755 },  { "run", 0755 } };
    char path[DK_PLACE_PATH_MAX + 64];
    enum dk_status status = DK_OK;

    (void)snprintf(path, sizeof(path), "%s", place->dir);
    for (char *at = path + 1; status == DK_OK && *at != '\0'; at++) { /* the way there */
        if (*at != '/')
            continue;
        *at = '\0';
        status = make_folder(path, 0755, err);
        *at = '/';
    }
    if (status == DK_OK)
        status = make_folder(place->dir, 0755, err);
    for (size_t i = 0; status == DK_OK && i < sizeof(folders) / sizeof(folders[0]); i++) {
        dk_place_path(place, folders[i].name, path);
        status = make_folder(path, folders[i].mode, err);
    }
    return status;
}

/* Is there a log of its own, or another one said? */
static bool has_other_log(const struct dk_place *place, bool has_file)
{
    char path[DK_PLACE_PATH_MAX + 64];

    dk_place_path(place, "log/lead", path);
    return has_file || access(path, F_OK) == 0;
}

enum dk_status dk_place_keep_log(struct dk_place *place, const char *uri, struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 64];
    bool has_file, good;
    FILE *file;

    if (strcmp(place->log_uri, uri) == 0)
        return DK_OK;
    if (strlen(uri) >= sizeof(place->log_uri) || strpbrk(uri, " #\n") != NULL)
        return dk_fail(err, DK_INVALID, "'%s' is no address of a log", uri);
    dk_place_path(place, "docket.conf", path);
    has_file = access(path, F_OK) == 0;
    if (has_other_log(place, has_file))
        return dk_fail(err, DK_BUSY, "the cluster of '%s' has its log at '%s'; '%s' says where",
                       place->dir, place->log_uri, path);
    file = fopen(path, "we");
    good = file != NULL && fprintf(file, "log = %s\n", uri) > 0;
    if ((file != NULL && fclose(file) != 0) || !good)
        return dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    (void)snprintf(place->log_uri, sizeof(place->log_uri), "%s", uri);
    return DK_OK;
}
