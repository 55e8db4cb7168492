/* hostlist.c - see hostlist.h */
#include "net/hostlist.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SIZE = 255, DIGITS_MAX = 18 };

void dk_hostlist_init(struct dk_hostlist *list)
{
    memset(list, 0, sizeof(*list));
    dk_arena_init(&list->arena, &dk_heap);
}

void dk_hostlist_release(struct dk_hostlist *list)
{
    dk_alloc_free(&dk_heap, list->names, list->capacity * sizeof(*list->names));
    dk_arena_release(&list->arena);
}

void dk_hostlist_add(struct dk_hostlist *list, const char *name, size_t size)
{
    char *copy = dk_arena_take(&list->arena, size + 1);

    memcpy(copy, name, size);
    copy[size] = 0;
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;

        list->names =
            dk_heap.resize(dk_heap.ctx, list->names, list->capacity * sizeof(*list->names),
                           capacity * sizeof(*list->names));
        list->capacity = capacity;
    }
    list->names[list->count++] = copy;
}

/* --- expanding --- */

struct expansion {
    struct dk_hostlist *list;
    const char *whole; /* for messages */
    struct dk_err *err;
    char name[NAME_MAX_SIZE + 1];
};

static enum dk_status expand_from(struct expansion *x, const char *text, size_t size, size_t used);

static enum dk_status add_text(struct expansion *x, const char *text, size_t size, size_t *used)
{
    if (size > NAME_MAX_SIZE - *used)
        return dk_fail(x->err, DK_INVALID, "a name in '%s' is longer than %d characters", x->whole,
                       NAME_MAX_SIZE);
    memcpy(x->name + *used, text, size);
    *used += size;
    return DK_OK;
}

/* The digits at `text`, *size of them; false: none, or more than fit a number. */
static bool read_digits(const char *text, size_t size_max, size_t *size, uint64_t *value)
{
    *size = 0;
    *value = 0;
    while (*size < size_max && text[*size] >= '0' && text[*size] <= '9') {
        *value = *value * 10 + (uint64_t)(text[*size] - '0');
        if (++*size > DIGITS_MAX)
            return false;
    }
    return *size > 0;
}

/* One range of a bracket, and for each of its numbers the rest of the name behind the bracket. */
static enum dk_status expand_range(struct expansion *x, const char *range, size_t size,
                                   const char *rest, size_t rest_size, size_t used)
{
    size_t width, size_last;
    uint64_t first, last;

    if (!read_digits(range, size, &width, &first))
        goto invalid;
    last = first;
    if (width < size && (range[width] != '-' ||
                         !read_digits(range + width + 1, size - width - 1, &size_last, &last) ||
                         width + 1 + size_last != size || last < first))
        goto invalid;
    if (last - first >= DK_HOSTLIST_MAX)
        return dk_fail(x->err, DK_TOO_LARGE, "'%s' has more than %d names", x->whole,
                       DK_HOSTLIST_MAX);
    for (uint64_t number = first; number <= last; number++) {
        char digits[DIGITS_MAX + 4];
        int count = snprintf(digits, sizeof(digits), "%0*" PRIu64, (int)width, number);
        size_t used_here = used;
        enum dk_status status = add_text(x, digits, (size_t)count, &used_here);

        if (status == DK_OK)
            status = expand_from(x, rest, rest_size, used_here);
        if (status != DK_OK)
            return status;
    }
    return DK_OK;
invalid:
    return dk_fail(x->err, DK_INVALID, "'%.*s' in '%s' is not a range like 1-3 or 07", (int)size,
                   range, x->whole);
}

/* The rest of one name, `size` characters; what is in front of it stands in x->name. */
static enum dk_status expand_from(struct expansion *x, const char *text, size_t size, size_t used)
{
    const char *open = memchr(text, '[', size), *close, *at;
    enum dk_status status;

    if (memchr(text, ']', open == NULL ? size : (size_t)(open - text)) != NULL)
        return dk_fail(x->err, DK_INVALID, "']' without '[' in '%s'", x->whole);
    if (open == NULL) {
        status = add_text(x, text, size, &used);
        if (status != DK_OK)
            return status;
        if (x->list->count >= DK_HOSTLIST_MAX)
            return dk_fail(x->err, DK_TOO_LARGE, "'%s' has more than %d names", x->whole,
                           DK_HOSTLIST_MAX);
        dk_hostlist_add(x->list, x->name, used);
        return DK_OK;
    }
    close = memchr(open, ']', size - (size_t)(open - text));
    if (close == NULL)
        return dk_fail(x->err, DK_INVALID, "'[' without ']' in '%s'", x->whole);
    status = add_text(x, text, (size_t)(open - text), &used);
    for (at = open + 1; status == DK_OK; at++) {
        const char *comma = memchr(at, ',', (size_t)(close - at));
        const char *end = comma == NULL ? close : comma;

        status = expand_range(x, at, (size_t)(end - at), close + 1,
                              (size_t)(text + size - close - 1), used);
        if (comma == NULL)
            break;
        at = comma;
    }
    return status;
}

static bool is_between(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum dk_status dk_hostlist_expand(struct dk_hostlist *list, const char *text, struct dk_err *err)
{
    struct expansion x = { .list = list, .whole = text, .err = err };

    while (*text != 0) {
        size_t size = 0;
        int depth = 0;

        for (; text[size] != 0 && (depth > 0 || !is_between(text[size])); size++) {
            depth += text[size] == '[';
            depth -= text[size] == ']';
        }
        if (size > 0) {
            enum dk_status status = expand_from(&x, text, size, 0);

            if (status != DK_OK)
                return status;
        }
        text += size;
        text += *text != 0;
    }
    return DK_OK;
}

/* --- sorting and compressing --- */

/* A name taken apart: prefix, and the number that it ends in (digits 0: none). */
struct split {
    size_t prefix, digits;
    uint64_t number;
};

static struct split split_name(const char *name)
{
    size_t size = strlen(name);
    struct split split = { .prefix = size };

    while (split.prefix > 0 && split.digits < DIGITS_MAX && name[split.prefix - 1] >= '0' &&
           name[split.prefix - 1] <= '9') {
        split.prefix--;
        split.digits++;
    }
    if (split.digits > 0)
        (void)read_digits(name + split.prefix, split.digits, &split.digits, &split.number);
    return split;
}

/* Zeros in front of a number that is written so wide. */
static size_t zeros(uint64_t number, size_t width)
{
    size_t digits = 1;

    while ((number /= 10) > 0)
        digits++;
    return width > digits ? width - digits : 0;
}

/* Can both stand in one range? 9 and 10 can, 010 and 1000; 7 and 07 can't. */
static bool can_share(const struct split *a, const struct split *b)
{
    return a->digits == b->digits || zeros(a->number, a->digits) == zeros(a->number, b->digits) ||
           zeros(b->number, b->digits) == zeros(b->number, a->digits);
}

/* As Slurm: by number where a range could hold both, else the narrower first. */
static int compare_names(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    struct split l = split_name(left), r = split_name(right);
    size_t shorter = l.prefix < r.prefix ? l.prefix : r.prefix;
    int order = strncmp(left, right, shorter);

    if (order == 0 && l.prefix != r.prefix)
        order = l.prefix < r.prefix ? -1 : 1;
    if (order == 0 && l.digits != r.digits && !can_share(&l, &r))
        order = l.digits < r.digits ? -1 : 1;
    if (order == 0 && l.number != r.number)
        order = l.number < r.number ? -1 : 1;
    return order;
}

void dk_hostlist_sort(struct dk_hostlist *list)
{
    if (list->count > 0)
        qsort(list->names, list->count, sizeof(*list->names), compare_names);
}

/* Would `number`, written as wide as the run's first, look as it does in `name`? */
static bool goes_on(const char *name, const struct split *split, size_t width, uint64_t number)
{
    char digits[DIGITS_MAX + 4];

    (void)snprintf(digits, sizeof(digits), "%0*" PRIu64, (int)width, number);
    return strcmp(digits, name + split->prefix) == 0;
}

/* Writes the run of consecutive numbers that begins at `i`; returns where the next one begins. */
static uint32_t add_run(const struct dk_hostlist *list, uint32_t i, size_t prefix,
                        struct dk_buf *out)
{
    const char *first = list->names[i];
    struct split split = split_name(first);
    uint32_t next = i + 1;

    for (; next < list->count; next++) {
        struct split other = split_name(list->names[next]);

        if (other.prefix != prefix || other.digits == 0 ||
            strncmp(list->names[next], first, prefix) != 0 ||
            !goes_on(list->names[next], &other, split.digits, split.number + (next - i)))
            break;
    }
    (void)dk_buf_add_text(out, first + prefix);
    if (next > i + 1) {
        (void)dk_buf_add_text(out, "-");
        (void)dk_buf_add_text(out, list->names[next - 1] + prefix);
    }
    return next;
}

static bool is_of_prefix(const struct dk_hostlist *list, uint32_t i, const char *first,
                         size_t prefix)
{
    struct split split;

    if (i >= list->count)
        return false;
    split = split_name(list->names[i]);
    return split.digits > 0 && split.prefix == prefix &&
           strncmp(list->names[i], first, prefix) == 0;
}

void dk_hostlist_compress(const struct dk_hostlist *list, struct dk_buf *out)
{
    uint32_t i = 0;

    while (i < list->count) {
        const char *first = list->names[i];
        struct split split = split_name(first);

        if (i > 0)
            (void)dk_buf_add_text(out, ",");
        if (split.digits == 0 || !is_of_prefix(list, i + 1, first, split.prefix)) {
            (void)dk_buf_add_text(out, first);
            i++;
            continue;
        }
        (void)dk_buf_add(out, first, split.prefix);
        (void)dk_buf_add_text(out, "[");
        for (;;) {
            i = add_run(list, i, split.prefix, out);
            if (!is_of_prefix(list, i, first, split.prefix))
                break;
            (void)dk_buf_add_text(out, ",");
        }
        (void)dk_buf_add_text(out, "]");
    }
}
