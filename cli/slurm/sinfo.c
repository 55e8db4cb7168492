/* sinfo.c - nodes and partitions, as Slurm's sinfo lists them
 *
 * Two questions, /v1/partitions and /v1/nodes; what follows is in sinfo_gather.c. */
#include "cli/slurm/sinfo.h"

#include "cli/slurm/slurm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const node_columns[] = {
#define X(name) #name,
    SINFO_NODE_COLUMN_MAP(X)
#undef X
};
static const char *const part_columns[] = {
#define X(name) #name,
    SINFO_PART_COLUMN_MAP(X)
#undef X
};

static int load_failed(const struct dk_err *err)
{
    (void)fprintf(stderr, "slurm_load_partitions: %s\n", slurm_reason(err));
    return 1;
}

static enum dk_status ask(struct sinfo *sinfo, const char *path, const char *const *columns,
                          int count, struct dk_rows *rows, struct dk_err *err)
{
    struct dk_question question;
    struct dk_buf fields;
    enum dk_status status;

    dk_question_init(&question, path);
    dk_buf_init(&fields, &dk_heap, 4096);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            (void)dk_buf_add(&fields, ",", 1);
        (void)dk_buf_add_text(&fields, columns[i]);
    }
    (void)dk_buf_add(&fields, "", 1);
    if (sinfo->partitions != NULL)
        dk_question_add(&question, "partition", sinfo->partitions);
    status = dk_ask_rows(&sinfo->session, &question, (const char *)fields.data, rows, err);
    dk_buf_release(&fields);
    dk_question_release(&question);
    return status;
}

/* The formats of Slurm's manual; '#' is as wide as the longest name. Behind -N the partition is
 * aligned to the right, which the manual does not say. */
static const char *default_format(const struct sinfo *sinfo)
{
    if (sinfo->is_summary)
        return "%#P %.5a %.10l %.16F %N";
    if (sinfo->is_reasons)
        return sinfo->is_long ? "%20E %12U %19H %6t %N" : "%20E %9u %19H %N";
    if (sinfo->is_node)
        return sinfo->is_long ? "%#N %.6D %.#P %.11T %4c %.8z %.6m %.8d %.6w %.8f %20E"
                              : "%#N %.6D %.#P %6t";
    return sinfo->is_long ? "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %N"
                          : "%#P %.5a %.10l %.6D %.6t %N";
}

static bool choose_format(struct sinfo *sinfo)
{
    static const char short_complaint[] = "Invalid node format specification: ";
    static const char long_complaint[] = "sinfo: error: Invalid job format specification: ";
    const char *sort = sinfo->sort;

    slurm_format_init(&sinfo->columns, "sinfo",
                      sinfo->format_long != NULL ? long_complaint : short_complaint, sinfo_fields,
                      sinfo_field_count);
    if (sinfo->format_long != NULL)
        slurm_format_parse_long(&sinfo->columns, sinfo->format_long);
    else if (sinfo->format != NULL)
        slurm_format_parse(&sinfo->columns, sinfo->format, false);
    else
        slurm_format_parse(&sinfo->columns, default_format(sinfo), true);
    sinfo->is_part_order = sort == NULL || strchr(sort, '#') != NULL;
    if (sort == NULL)
        sort = sinfo->is_node ? "N" : "#P,-t";
    return slurm_sort_parse(&sinfo->order, &sinfo->columns, sort);
}

static void widen(struct sinfo *sinfo)
{
    for (uint32_t i = 0; i < sinfo->columns.count; i++) {
        struct slurm_item *item = &sinfo->columns.items[i];
        bool is_part;

        if (!item->is_automatic)
            continue;
        is_part = item->field->letter == 'P';
        item->width = 9;
        for (uint32_t row = 0; row < (is_part ? sinfo->part_rows.rows : sinfo->node_rows.rows);
             row++) {
            size_t size = strlen(is_part ? sinfo_part(sinfo, row, PART_name)
                                         : sinfo_node(sinfo, row, NODE_name));

            if (is_part && *sinfo_part(sinfo, row, PART_default) != '0')
                size++;
            if (size > item->width)
                item->width = (uint32_t)size;
        }
    }
}

static const void *group_at(void *context, uint32_t i)
{
    return &((struct sinfo *)context)->groups[i];
}

static void write_groups(struct sinfo *sinfo, struct slurm_output *output)
{
    size_t bytes = (sinfo->group_count + 1) * sizeof(uint32_t);
    uint32_t *order = dk_alloc_new(&dk_heap, bytes);

    slurm_sort_rows(&sinfo->order, group_at, sinfo, sinfo->group_count, order);
    if (!sinfo->is_headless) {
        if (sinfo->is_long || sinfo->iterate_s > 0) {
            slurm_add_long_date(&output->buf, slurm_now_us());
            (void)dk_buf_add(&output->buf, "\n", 1);
        }
        slurm_write_heading(&sinfo->columns, output);
    }
    for (uint32_t i = 0; i < sinfo->group_count && !output->failed; i++)
        slurm_write_row(&sinfo->columns, &sinfo->groups[order[i]], output);
    dk_alloc_free(&dk_heap, order, bytes);
}

static void write_json(const struct sinfo *sinfo, struct slurm_output *output)
{
    slurm_json_begin(&output->buf, "openapi/v0.0.38", "Slurm OpenAPI v0.0.38", "nodes");
    for (uint32_t i = 0; i < sinfo->node_rows.rows; i++) {
        (void)dk_buf_add_text(&output->buf, i == 0 ? "\n" : ",\n");
        sinfo_json_node(&output->buf, sinfo, sinfo->by_name[i]);
    }
    slurm_json_end(&output->buf);
}

static int list(struct sinfo *sinfo, struct slurm_output *output)
{
    struct dk_err err;
    int status = 0;

    slurm_dates_init(&sinfo->dates, slurm_now_us());
    if (ask(sinfo, "/v1/partitions", part_columns, PART_COLUMN_COUNT, &sinfo->part_rows, &err) !=
            DK_OK ||
        ask(sinfo, "/v1/nodes", node_columns, NODE_COLUMN_COUNT, &sinfo->node_rows, &err) !=
            DK_OK) {
        status = load_failed(&err);
    } else if (sinfo->is_json) {
        sinfo_order(sinfo);
        write_json(sinfo, output);
    } else {
        sinfo_order(sinfo);
        sinfo_gather(sinfo);
        widen(sinfo);
        write_groups(sinfo, output);
    }
    slurm_output_flush(output);
    sinfo_forget(sinfo);
    return status;
}

static bool states_are_valid(const struct sinfo *sinfo)
{
    bool is_valid = true;

    if (sinfo->states == NULL)
        return true;
    (void)sinfo_state_passes(sinfo->states, 0, &is_valid);
    if (!is_valid) {
        (void)slurm_error("sinfo", "Bad state string: \"%s\"", sinfo->states);
        (void)slurm_error("sinfo",
                          "valid states: unknown,down,idle,allocated,mixed,drain,drained,draining,"
                          "no_respond,all, and Slurm's others, which no node here is ever in");
    }
    return is_valid;
}

static int run(struct sinfo *sinfo, int argc, char **argv)
{
    struct slurm_output output;
    struct dk_err err;
    int status = sinfo_parse(sinfo, argc, argv);

    if (status >= 0)
        return status;
    if (!states_are_valid(sinfo) || !choose_format(sinfo))
        return 1;
    if (sinfo->nodes != NULL && dk_hostlist_expand(&sinfo->hosts, sinfo->nodes, &err) != DK_OK)
        return slurm_error("sinfo", "%s", err.text);
    if (dk_session_open(&sinfo->session, NULL, &err) != DK_OK)
        return load_failed(&err);
    if (sinfo->clusters != NULL &&
        slurm_check_cluster(&sinfo->session, sinfo->clusters, &err) != DK_OK)
        return slurm_error("sinfo", "%s", err.text);
    if (sinfo->is_verbose)
        (void)fprintf(stderr, "sinfo: asking %s\n",
                      sinfo->session.place.projectors[0] != '\0' ? sinfo->session.place.projectors
                                                                 : sinfo->session.place.query);
    if (sinfo->is_reservation) {
        (void)fputs("No reservations in the system\n", stdout);
        return 0;
    }
    slurm_output_init(&output);
    for (;;) {
        status = list(sinfo, &output);
        if (sinfo->iterate_s == 0 || status != 0 || output.failed)
            break;
        (void)dk_buf_add(&output.buf, "\n", 1);
        slurm_output_flush(&output);
        (void)nanosleep(&(struct timespec){ .tv_sec = sinfo->iterate_s }, NULL);
    }
    slurm_output_release(&output);
    return status;
}

int slurm_sinfo(int argc, char **argv)
{
    struct sinfo sinfo = { 0 };
    int status;

    dk_hostlist_init(&sinfo.hosts);
    sinfo_from_environment(&sinfo);
    status = run(&sinfo, argc, argv);
    dk_session_close(&sinfo.session);
    dk_hostlist_release(&sinfo.hosts);
    return status;
}
