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
    if (text == NULL)
        return scontrol_error("host list is empty");
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

static const struct scontrol_word entities[] = {
    { "hostnames", 5, show_hostnames, NULL },
    { "hostlist", 5, show_hostlist, NULL },
    { "hostlistsorted", 9, show_hostlist_sorted, NULL },
    { 0 },
};

int scontrol_show(struct scontrol *scontrol, int argc, char **argv)
{
    const struct scontrol_word *entity;

    if (argc == 0) {
        (void)fprintf(stderr, "too few arguments for keyword:show\n");
        return 1;
    }
    if (argc > 2) {
        (void)fprintf(stderr, "too many arguments for keyword:show\n");
        return 1;
    }
    entity = scontrol_find(entities, argv[0]);
    if (entity == NULL) {
        (void)fprintf(stderr, "invalid entity:%s for keyword:show \n", argv[0]);
        return 1;
    }
    return entity->run(scontrol, argc - 1, argv + 1);
}
