/* swf.c - the reader of Standard Workload Format
 *
 * The text goes through one window. A line that is not complete yet moves to the front
 * and the window is filled up behind it, so that the parser always sees whole lines
 * that end in '\n' and needs no bounds checks between digits. Reading Curie's 312,826 lines
 * costs mostly the decompression. */
#include "replay/swf.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_SIZE = 1 << 20, /* a longer line is malformed */
    FIELDS = 18,
    FIELDS_MIN = 5,
    DIGITS_MAX = 18
};

/* With seconds below this, microseconds since 1970 plus a queue of waiting stay far inside int64.
 */
#define SECONDS_MAX INT64_C(1000000000000)
#define JOBS_MAX (UINT32_C(1) << 30)

const char *dk_drop_text(enum dk_drop drop)
{
    static const char *const texts[] = {
#define X(name, text, meaning) text,
        DK_DROP_MAP(X)
#undef X
    };

    return (unsigned)drop < DK_DROP_COUNT ? texts[drop] : "?";
}

struct reader {
    struct dk_trace *trace;
    const struct dk_trace_options *options;
    struct dk_input *input;
    const char *name;
    uint64_t line;
    char *window;
    size_t size; /* bytes in the window */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* --- the header --- */

/* `; Key: value`; the number that the value begins with, or -1. */
static int64_t header_number(const char *text, const char *key)
{
    size_t size = strlen(key);
    int64_t value = 0;
    int digits = 0;

    if (strncmp(text, key, size) != 0)
        return -1;
    text += size;
    while (is_blank(*text))
        text++;
    if (*text++ != ':')
        return -1;
    while (is_blank(*text))
        text++;
    for (; is_digit(*text) && digits < DIGITS_MAX; text++, digits++)
        value = value * 10 + (*text - '0');
    return digits > 0 && !is_digit(*text) ? value : -1;
}

/* `text` ends in '\n', which no key matches past. */
static void read_header(struct dk_trace *trace, const char *text)
{
    struct {
        const char *key;
        int64_t *value;
        int64_t least, limit;
    } keys[] = {
        { "MaxProcs", &trace->procs_max, 1, INT32_MAX },
        { "MaxNodes", &trace->nodes_max, 1, INT32_MAX },
        { "UnixStartTime", &trace->unix_start, 0, SECONDS_MAX },
    };

    while (*text == ';' || is_blank(*text))
        text++;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        int64_t value = header_number(text, keys[i].key);

        if (value >= keys[i].least && value <= keys[i].limit && *keys[i].value < 0)
            *keys[i].value = value;
    }
}

/* --- a job --- */

/* Reads a number at *text and leaves *text behind it; decimals are cut off. */
static bool read_number(const char **text, int64_t *value)
{
    const char *p = *text;
    bool negative = *p == '-';
    uint64_t sum = 0;
    const char *digits;

    p += negative;
    digits = p;
    while (is_digit(*p))
        sum = sum * 10 + (uint64_t)(*p++ - '0');
    if (p == digits || p - digits > DIGITS_MAX)
        return false;
    if (*p == '.') {
        p++;
        while (is_digit(*p))
            p++;
    }
    *value = negative ? -(int64_t)sum : (int64_t)sum;
    *text = p;
    return is_blank(*p) || *p == '\n';
}

static enum dk_status bad_field(const struct reader *reader, int field, const char *text,
                                const char *fault, struct dk_err *err)
{
    char shown[33];
    size_t size = 0;

    for (; size < sizeof(shown) - 1 && text[size] != '\n' && !is_blank(text[size]); size++) {
        char c = text[size];

        shown[size] = c >= ' ' && c < 127 ? c : '?';
    }
    shown[size] = 0;
    return dk_fail(err, DK_INVALID, "trace '%s' line %llu: field %d '%s' %s", reader->name,
                   (unsigned long long)reader->line, field, shown, fault);
}

static int32_t small(int64_t value)
{
    return value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
}

static enum dk_status add_job(const struct reader *reader, const int64_t field[FIELDS + 1],
                              struct dk_err *err)
{
    struct dk_trace *trace = reader->trace;
    bool prefer_allocated = reader->options->prefer_allocated ? field[5] > 0 : field[8] <= 0;
    int64_t procs = prefer_allocated ? field[5] : field[8];
    int64_t estimate = field[9] > 0 && !reader->options->exact_estimates ? field[9] : field[4];
    struct dk_trace_job *job;

    if (procs <= 0) {
        trace->dropped[DK_DROP_NO_PROCS]++;
        return DK_OK;
    }
    if (field[4] < 0) {
        trace->dropped[DK_DROP_NEGATIVE_RUN]++;
        return DK_OK;
    }
    if (field[2] < 0) {
        trace->dropped[DK_DROP_NEGATIVE_SUBMIT]++;
        return DK_OK;
    }
    if (trace->count == trace->capacity) {
        uint32_t capacity = trace->capacity > 0 ? trace->capacity * 2 : 16384;

        if (trace->count == JOBS_MAX)
            return dk_fail(err, DK_TOO_LARGE, "trace '%s' has more than %u jobs", reader->name,
                           JOBS_MAX);
        trace->jobs = trace->alloc->resize(trace->alloc->ctx, trace->jobs,
                                           trace->capacity * sizeof(*trace->jobs),
                                           capacity * sizeof(*trace->jobs));
        trace->capacity = capacity;
    }
    job = &trace->jobs[trace->count++];
    *job = (struct dk_trace_job){ .number = field[1],
                                  .submit = field[2],
                                  .run = field[4],
                                  .estimate = estimate > 0 ? estimate : 1,
                                  .memory_kib = field[10],
                                  .procs = procs > INT32_MAX ? INT32_MAX : (int32_t)procs,
                                  .user = small(field[12]),
                                  .group = small(field[13]),
                                  .line = (uint32_t)reader->line };
    return DK_OK;
}

/* One line that ends in '\n'. */
static enum dk_status read_line(const struct reader *reader, const char *text, struct dk_err *err)
{
    int64_t field[FIELDS + 1];
    int count = 0;

    while (is_blank(*text))
        text++;
    if (*text == '\n')
        return DK_OK;
    if (*text == ';') {
        read_header(reader->trace, text);
        return DK_OK;
    }
    while (count < FIELDS && *text != '\n') {
        const char *start = text;

        count++;
        if (!read_number(&text, &field[count]))
            return bad_field(reader, count, start, "is not a number", err);
        if ((count == 2 || count == 4 || count == 9) && field[count] > SECONDS_MAX)
            return bad_field(reader, count, start, "is too large for a time in seconds", err);
        while (is_blank(*text))
            text++;
    }
    if (count < FIELDS_MIN)
        return dk_fail(err, DK_INVALID, "trace '%s' line %llu: %d fields where a job has %d",
                       reader->name, (unsigned long long)reader->line, count, FIELDS);
    while (count < FIELDS)
        field[++count] = -1;
    return add_job(reader, field, err);
}

/* Parses the whole lines in the window and moves the rest to its front. */
static enum dk_status read_window(struct reader *reader, struct dk_err *err)
{
    char *line = reader->window, *limit = reader->window + reader->size;

    for (;;) {
        char *end = memchr(line, '\n', (size_t)(limit - line));
        enum dk_status status;

        if (end == NULL)
            break;
        if (++reader->line > UINT32_MAX)
            return dk_fail(err, DK_TOO_LARGE, "trace '%s' has more than 2^32 lines", reader->name);
        status = read_line(reader, line, err);
        if (status != DK_OK)
            return status;
        line = end + 1;
    }
    reader->size = (size_t)(limit - line);
    if (reader->size >= WINDOW_SIZE)
        return dk_fail(err, DK_INVALID, "trace '%s' line %llu: longer than %d bytes", reader->name,
                       (unsigned long long)reader->line + 1, WINDOW_SIZE);
    memmove(reader->window, line, reader->size);
    return DK_OK;
}

static enum dk_status read_all(struct reader *reader, struct dk_err *err)
{
    for (;;) {
        enum dk_status status;
        size_t got;

        status = dk_input_read(reader->input, reader->window + reader->size,
                               WINDOW_SIZE - reader->size, &got, err);
        if (status != DK_OK) { /* a damaged trace is bad input, not a log that lost its trust */
            (void)dk_fail_in(err, "trace '%s'", reader->name);
            if (status != DK_TORN && status != DK_CORRUPT)
                return status;
            if (err != NULL)
                err->status = DK_INVALID;
            return DK_INVALID;
        }
        if (got == 0) { /* the last line may lack its end; the window has a byte to spare */
            if (reader->size > 0)
                reader->window[reader->size++] = '\n';
            return read_window(reader, err);
        }
        reader->size += got;
        status = read_window(reader, err);
        if (status != DK_OK)
            return status;
    }
}

/* --- after the last line --- */

static int compare_jobs(const void *a, const void *b)
{
    const struct dk_trace_job *x = a, *y = b;

    if (x->submit != y->submit)
        return x->submit < y->submit ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void sort_jobs(struct dk_trace *trace)
{
    for (uint32_t i = 1; i < trace->count; i++) {
        if (trace->jobs[i].submit < trace->jobs[i - 1].submit) {
            qsort(trace->jobs, trace->count, sizeof(*trace->jobs), compare_jobs);
            return;
        }
    }
}

static enum dk_status finish(struct dk_trace *trace, const char *name, int64_t procs,
                             struct dk_err *err)
{
    uint32_t count = trace->count, kept = 0;
    uint64_t left_out = 0;

    if (procs <= 0)
        procs = trace->procs_max > 0 ? trace->procs_max : trace->nodes_max;
    for (int i = 0; i < DK_DROP_COUNT; i++)
        left_out += trace->dropped[i];
    if (count == 0 && left_out == 0)
        return dk_fail(err, DK_INVALID, "trace '%s' has no jobs", name);
    if (procs <= 0)
        return dk_fail(
            err, DK_INVALID,
            "trace '%s' does not say how large the machine is (no MaxProcs or MaxNodes); "
            "give --procs N, or --nodes N and --cores-per-node N",
            name);
    trace->procs = procs;
    for (uint32_t i = 0; i < count; i++) {
        if (trace->jobs[i].procs <= procs)
            trace->jobs[kept++] = trace->jobs[i];
    }
    trace->count = kept;
    trace->dropped[DK_DROP_TOO_LARGE] = count - kept;
    if (kept == 0)
        return dk_fail(err, DK_INVALID,
                       "trace '%s' has no job that can be replayed (%llu left out)", name,
                       (unsigned long long)(left_out + count));
    sort_jobs(trace);
    return DK_OK;
}

enum dk_status dk_trace_read(struct dk_trace *trace, struct dk_input *input, const char *name,
                             const struct dk_trace_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err)
{
    struct reader reader = { .trace = trace, .options = options, .input = input, .name = name };
    enum dk_status status;

    DK_CHECK(options->procs <= INT32_MAX);
    *trace =
        (struct dk_trace){ .alloc = alloc, .procs_max = -1, .nodes_max = -1, .unix_start = -1 };
    reader.window = dk_alloc_new(alloc, WINDOW_SIZE + 1);
    status = read_all(&reader, err);
    dk_alloc_free(alloc, reader.window, WINDOW_SIZE + 1);
    if (status == DK_OK)
        status = finish(trace, name, options->procs, err);
    if (status != DK_OK)
        dk_trace_release(trace);
    return status;
}

enum dk_status dk_trace_open(struct dk_trace *trace, const char *path,
                             const struct dk_trace_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    struct dk_input *input;
    enum dk_status status;

    if (strcmp(path, "-") == 0)
        name = "standard input";
    status = dk_input_open(&input, path, err);
    if (status != DK_OK)
        return dk_fail_in(err, "trace '%s'", path), status;
    status = dk_trace_read(trace, input, name, options, alloc, err);
    dk_input_destroy(input);
    return status;
}

enum dk_status dk_trace_write(const struct dk_trace *trace, FILE *file)
{
    if (fprintf(file, "; MaxJobs: %u\n; MaxProcs: %lld\n", trace->count, (long long)trace->procs) <
        0)
        return DK_IO;
    if (trace->unix_start >= 0 &&
        fprintf(file, "; UnixStartTime: %lld\n", (long long)trace->unix_start) < 0)
        return DK_IO;
    for (uint32_t i = 0; i < trace->count; i++) {
        const struct dk_trace_job *job = &trace->jobs[i];

        if (fprintf(file, "%lld %lld -1 %lld %d -1 -1 %d %lld %lld 1 %d %d -1 -1 -1 -1 -1\n",
                    (long long)job->number, (long long)job->submit, (long long)job->run, job->procs,
                    job->procs, (long long)job->estimate, (long long)job->memory_kib, job->user,
                    job->group) < 0)
            return DK_IO;
    }
    return DK_OK;
}

void dk_trace_release(struct dk_trace *trace)
{
    dk_alloc_free(trace->alloc, trace->jobs, trace->capacity * sizeof(*trace->jobs));
    trace->jobs = NULL;
    trace->count = trace->capacity = 0;
}
