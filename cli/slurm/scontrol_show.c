/* scontrol_show.c - scontrol show ENTITY [NAME] */
#include "cli/slurm/scontrol.h"
#include "net/hostlist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- host lists: no cluster is asked --- */

/* An absolute path is a file of names, "-" the standard input, anything else the list itself. */
static enum dk_status read_hosts(struct dk_hostlist *list, const char *text, struct dk_err *err)
{
    bool is_stdin = strcmp(text, "-") == 0;
    struct dk_buf content;
    enum dk_status status;
    FILE *file;

    if (text[0] != '/' && !is_stdin)
        return dk_hostlist_expand(list, text, err);
    file = is_stdin ? stdin : fopen(text, "re");
    if (file == NULL)
        return dk_fail(err, DK_IO, "'%s' cannot be read: %s", text, strerror(errno));
    dk_buf_init(&content, &dk_heap, 16 << 20);
    for (;;) {
        uint8_t *room = dk_buf_room(&content, 65536);
        size_t got = room == NULL ? 0 : fread(room, 1, 65535, file);

        if (got == 0)
            break;
        content.size += got;
    }
    (void)dk_buf_add(&content, "", 1);
    status = dk_hostlist_expand(list, (const char *)content.data, err);
    dk_buf_release(&content);
    if (!is_stdin)
        (void)fclose(file);
    return status;
}

static int invalid_hosts(const struct dk_err *err)
{
    return scontrol_error("Invalid hostlist: %s", err->text);
}

static int show_hostnames(struct scontrol *scontrol, int argc, char **argv)
{
    const char *text = argc > 0 ? argv[0] : getenv("SLURM_JOB_NODELIST");
    struct dk_hostlist list;
    struct dk_err err;
    int status = 0;

    (void)scontrol;
    if (text == NULL)
        text = getenv("SLURM_NODELIST");
    if (text == NULL) { /* rc 0 in Slurm, too: outside of a job there is none */
        (void)scontrol_error("host list is empty");
        return 0;
    }
    dk_hostlist_init(&list);
    if (read_hosts(&list, text, &err) != DK_OK)
        status = invalid_hosts(&err);
    for (uint32_t i = 0; i < list.count && status == 0; i++)
        (void)puts(list.names[i]);
    dk_hostlist_release(&list);
    return status;
}

static int print_compressed(const char *text, bool is_sorted)
{
    struct dk_hostlist list;
    struct dk_buf out;
    struct dk_err err;
    int status = 0;

    dk_hostlist_init(&list);
    dk_buf_init(&out, &dk_heap, 64 << 20);
    if (read_hosts(&list, text, &err) != DK_OK) {
        status = invalid_hosts(&err);
    } else {
        if (is_sorted)
            dk_hostlist_sort(&list);
        dk_hostlist_compress(&list, &out);
        (void)printf("%.*s\n", (int)out.size, (const char *)out.data);
    }
    dk_buf_release(&out);
    dk_hostlist_release(&list);
    return status;
}

static int no_hosts(void)
{
    return scontrol_error("invalid encode argument: a list of names is missing");
}

static int show_hostlist(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    return argc == 0 ? no_hosts() : print_compressed(argv[0], false);
}

static int show_hostlist_sorted(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    return argc == 0 ? no_hosts() : print_compressed(argv[0], true);
}

/* --- what docket has none of --- */

static int show_reservations(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    if (argc > 0) {
        (void)fprintf(stderr, "Reservation %s not found\n", argv[0]);
        return 1;
    }
    return puts("No reservations in the system") < 0;
}

static int show_licenses(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    if (argc > 0) {
        (void)fprintf(stderr, "License %s not found\n", argv[0]);
        return 1;
    }
    return puts("No licenses configured in Slurm.") < 0;
}

static int show_nothing(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return 0;
}

static int show_topology(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    (void)scontrol_error("No topology information available");
    return 0;
}

static int show_daemons(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return puts("slurmctld slurmd") < 0;
}

static const char why_steps[] = "'sacct -j JOB' lists the steps of a job";

static const struct scontrol_word entities[] = {
    { "aliases", 2, 0, 1, show_nothing, NULL },
    { "assoc_mgr", 2, 0, 9, NULL, "'docket config show' has the limits" },
    { "bbstat", 2, 0, 9, NULL, "it has no burst buffers" },
    { "burstbuffer", 2, 0, 9, NULL, "it has no burst buffers" },
    { "config", 1, 0, 1, scontrol_show_config, NULL },
    { "daemons", 1, 0, 1, show_daemons, NULL },
    { "dwstat", 2, 0, 9, NULL, "it has no burst buffers" },
    { "federation", 2, 0, 1, show_nothing, NULL },
    { "frontend", 2, 0, 1, NULL, "nodes are nodes" },
    { "hostlist", 5, 0, 1, show_hostlist, NULL },
    { "hostlistsorted", 9, 0, 1, show_hostlist_sorted, NULL },
    { "hostnames", 5, 0, 1, show_hostnames, NULL },
    { "jobs", 1, 0, 1, scontrol_show_job, NULL },
    { "jobid", 4, 0, 1, scontrol_show_job, NULL },
    { "licenses", 2, 0, 1, show_licenses, NULL },
    { "nodes", 1, 0, 1, scontrol_show_node, NULL },
    { "partitions", 1, 0, 1, scontrol_show_partition, NULL },
    { "reservations", 1, 0, 1, show_reservations, NULL },
    { "slurmd", 2, 0, 1, NULL, "'docket nodes' shows the agents" },
    { "steps", 2, 0, 1, NULL, why_steps },
    { "topology", 1, 0, 1, show_topology, NULL },
    { 0 },
};

int scontrol_show(struct scontrol *scontrol, int argc, char **argv)
{
    const struct scontrol_word *entity = scontrol_find(entities, argv[0]);

    if (entity == NULL) {
        (void)fprintf(stderr, "invalid entity:%s for keyword:show \n", argv[0]);
        return 1;
    }
    if (entity->run == NULL)
        return scontrol_refuse(argv[0], entity->why);
    return entity->run(scontrol, argc - 1, argv + 1);
}
