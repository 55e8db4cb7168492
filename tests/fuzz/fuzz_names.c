/* fuzz_names.c - host lists and job ids as people type them
 *
 * The first byte says which. A host list that expands is written in short, and that names the same
 * hosts; ranges of ids are in order. */
#include "base/check.h"
#include "cli/jobids.h"
#include "net/hostlist.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOSTS, SORTED_HOSTS, JOBS, KIND_COUNT };

static void hosts(const char *text, bool is_sorted)
{
    struct dk_hostlist list, again;
    struct dk_buf out;

    dk_hostlist_init(&list);
    dk_hostlist_init(&again);
    dk_buf_init(&out, &dk_heap, (size_t)1 << 28);
    if (dk_hostlist_expand(&list, text, NULL) == DK_OK) {
        if (is_sorted)
            dk_hostlist_sort(&list);
        dk_hostlist_compress(&list, &out);
        DK_CHECK(dk_buf_add(&out, "", 1));
        DK_CHECK(dk_hostlist_expand(&again, (const char *)out.data, NULL) == DK_OK);
        DK_CHECK(again.count == list.count);
        for (uint32_t i = 0; i < list.count; i++)
            DK_CHECK(strcmp(list.names[i], again.names[i]) == 0);
    }
    dk_buf_release(&out);
    dk_hostlist_release(&again);
    dk_hostlist_release(&list);
}

static void jobs(const char *text)
{
    struct dk_err err = { .status = DK_OK };
    struct cli_jobids ids;
    enum dk_status status;

    cli_jobids_init(&ids);
    status = cli_jobids_add(&ids, text, &err);
    DK_CHECK(status == DK_OK ? ids.count > 0 : err.text[0] != '\0');
    for (uint32_t i = 0; i < ids.count; i++) {
        const struct cli_jobid *id = &ids.items[i];

        DK_CHECK(id->first > 0 && id->last >= id->first && id->text != NULL);
        for (uint32_t k = 0; k < id->task_count; k++)
            DK_CHECK(id->tasks[k].first >= 0 && id->tasks[k].last >= id->tasks[k].first &&
                     id->tasks[k].step > 0);
    }
    cli_jobids_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 1)
        return 0;
    text = malloc(size);
    DK_CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % KIND_COUNT == JOBS)
        jobs(text);
    else
        hosts(text, data[0] % KIND_COUNT == SORTED_HOSTS);
    free(text);
    return 0;
}
