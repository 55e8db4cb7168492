/* std_files.c - where a job's standard files are (std_files.h) */
#include "projections/std_files.h"

#include "base/json.h"

static void add_padded(struct dk_buf *out, int64_t value, int width)
{
    size_t before = out->size;
    int digits;

    if (value < 0)
        value = 0;
    (void)dk_json_integer(out, value);
    digits = (int)(out->size - before);
    if (digits >= width)
        return;
    out->size = before;
    for (int i = digits; i < width; i++)
        (void)dk_buf_add(out, "0", 1);
    (void)dk_json_integer(out, value);
}

static void add_field(struct dk_buf *out, const struct dk_job_row *row, char letter, int width)
{
    char as_it_is[2] = { '%', letter };

    switch (letter) {
    case 'j':
    case 'J':
        add_padded(out, row->id, width);
        break;
    case 'A':
        add_padded(out, row->array_job != 0 ? row->array_job : row->id, width);
        break;
    case 'a':
        if (row->array_job != 0 && row->array_task < 0)
            (void)dk_buf_add(out, as_it_is, 2); /* not known before a task starts */
        else
            add_padded(out, row->array_task, width);
        break;
    case 'x':
        (void)dk_buf_add(out, row->spec->name.data, row->spec->name.size);
        break;
    case 'u':
        (void)dk_buf_add(out, row->user.data, row->user.size);
        break;
    case 'N':
        (void)dk_buf_add(out, row->batch_host.data, row->batch_host.size);
        break;
    case 'n':
    case 't':
        add_padded(out, 0, width);
        break;
    case 's':
        (void)dk_buf_add_text(out, "batch");
        break;
    case '%':
        (void)dk_buf_add(out, "%", 1);
        break;
    default:
        (void)dk_buf_add(out, as_it_is, 2);
    }
}

static void expand(struct dk_buf *out, const struct dk_job_row *row, struct dk_text pattern)
{
    for (uint32_t i = 0; i < pattern.size; i++) {
        int width = 0;

        if (pattern.data[i] != '%' || i + 1 == pattern.size) {
            (void)dk_buf_add(out, pattern.data + i, 1);
            continue;
        }
        for (i++; i + 1 < pattern.size && pattern.data[i] >= '0' && pattern.data[i] <= '9'; i++)
            width = width < 10 ? width * 10 + (pattern.data[i] - '0') : width;
        add_field(out, row, pattern.data[i], width > 10 ? 10 : width);
    }
}

void dk_std_file_add(struct dk_buf *out, const struct dk_job_row *row, enum dk_std_file file)
{
    const struct dk_job_launch *launch = &row->spec->launch;
    struct dk_text pattern;

    if (!row->spec->has_launch)
        return;
    pattern = file == DK_STD_IN ? launch->std_in : launch->std_out;
    if (file == DK_STD_ERR && launch->std_err.size > 0)
        pattern = launch->std_err;
    if (pattern.size == 0)
        pattern = dk_text_of(file == DK_STD_IN     ? "/dev/null"
                             : row->array_job != 0 ? "slurm-%A_%a.out"
                                                   : "slurm-%j.out");
    if (pattern.data[0] != '/' && row->spec->work_dir.size > 0) {
        (void)dk_buf_add(out, row->spec->work_dir.data, row->spec->work_dir.size);
        (void)dk_buf_add(out, "/", 1);
    }
    expand(out, row, pattern);
}
