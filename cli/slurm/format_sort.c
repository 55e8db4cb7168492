/* format_sort.c - the order of a list: -S "P,t,-p"
 *
 * All keys of all rows are computed once, side by side, and one array of row numbers is sorted by
 * merging. Lists mostly come nearly in order (by id), and a merge whose halves are in order
 * already is one comparison. */
#include "cli/slurm/format.h"

#include <stdio.h>
#include <string.h>

int64_t slurm_text_key(const char *text)
{
    uint64_t key = 0;

    for (int i = 0; i < 8; i++) {
        key <<= 8;
        if (*text != '\0')
            key |= (unsigned char)*text++;
    }
    return (int64_t)(key ^ (uint64_t)1 << 63);
}

bool slurm_sort_parse(struct slurm_sort *sort, const struct slurm_format *format, const char *text)
{
    bool is_down = false;

    memset(sort, 0, sizeof(*sort));
    for (; *text != '\0'; text++) {
        const struct slurm_field *field;

        if (*text == ',' || *text == '+' || *text == '-' || *text == '#' || *text == ' ') {
            is_down = *text == '-' || (is_down && *text != ',');
            continue;
        }
        field = slurm_field_by_letter(format, *text);
        if (field == NULL || field->key == NULL) {
            (void)fprintf(stderr, "%s: error: Invalid sort specification: %c\n", format->command,
                          *text);
            return false;
        }
        if (sort->count < SLURM_SORT_MAX) {
            sort->fields[sort->count] = field;
            sort->is_down[sort->count++] = is_down;
            sort->columns |= field->columns;
        }
        is_down = false;
    }
    return true;
}

struct sorter {
    const struct slurm_sort *sort;
    const int64_t *keys; /* count for each row */
    slurm_row_at *row;
    void *context;
};

static int compare(const struct sorter *sorter, uint32_t a, uint32_t b)
{
    uint32_t count = sorter->sort->count;
    const int64_t *ka = sorter->keys + (size_t)a * count, *kb = sorter->keys + (size_t)b * count;

    for (uint32_t i = 0; i < count; i++) {
        const struct slurm_field *field = sorter->sort->fields[i];
        int order = (ka[i] > kb[i]) - (ka[i] < kb[i]);

        if (order == 0 && field->key_text != NULL) {
            const char *ta = field->key_text(sorter->row(sorter->context, a), field);
            const char *tb = field->key_text(sorter->row(sorter->context, b), field);

            order = ta == tb ? 0 : strcmp(ta, tb);
        }
        if (order != 0)
            return sorter->sort->is_down[i] ? -order : order;
    }
    return 0;
}

static void merge(const struct sorter *sorter, uint32_t *order, uint32_t *spare, uint32_t count)
{
    uint32_t half = count / 2, left = 0, right = half, next = 0;

    if (count < 2)
        return;
    merge(sorter, order, spare, half);
    merge(sorter, order + half, spare, count - half);
    if (compare(sorter, order[half - 1], order[half]) <= 0)
        return;
    while (left < half && right < count)
        spare[next++] =
            compare(sorter, order[right], order[left]) < 0 ? order[right++] : order[left++];
    memcpy(spare + next, order + left, (half - left) * sizeof(*order));
    memcpy(order, spare, (next + half - left) * sizeof(*order));
}

void slurm_sort_rows(const struct slurm_sort *sort, slurm_row_at *row, void *context,
                     uint32_t count, uint32_t *order)
{
    size_t key_bytes = (size_t)count * sort->count * sizeof(int64_t);
    size_t spare_bytes = (size_t)count * sizeof(uint32_t);
    int64_t *keys;
    uint32_t *spare;

    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    if (sort->count == 0 || count < 2)
        return;
    keys = dk_alloc_new(&dk_heap, key_bytes);
    spare = dk_alloc_new(&dk_heap, spare_bytes);
    for (uint32_t i = 0; i < count; i++) {
        const void *at = row(context, i);

        for (uint32_t k = 0; k < sort->count; k++)
            keys[(size_t)i * sort->count + k] = sort->fields[k]->key(at, sort->fields[k]);
    }
    merge(&(struct sorter){ sort, keys, row, context }, order, spare, count);
    dk_alloc_free(&dk_heap, keys, key_bytes);
    dk_alloc_free(&dk_heap, spare, spare_bytes);
}
