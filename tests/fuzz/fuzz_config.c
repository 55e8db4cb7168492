/* fuzz_config.c - a configuration as YAML: refused with a place, or printed so that it reads the
 * same */
#include "base/check.h"
#include "cli/config_tree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum dk_status read_yaml(const char *text, size_t size, struct dk_cluster_config *config,
                                struct dk_arena *arena)
{
    static const struct dk_cluster_config present;
    struct dk_err err = { .status = DK_OK };
    FILE *file = fmemopen((void *)(uintptr_t)text, size, "r");
    enum dk_status status;

    DK_CHECK(file != NULL);
    status = config_from_yaml("fuzz", file, &present, config, arena, &err);
    (void)fclose(file);
    DK_CHECK(status == DK_OK || (err.status == status && err.text[0] != '\0'));
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_cluster_config first, second;
    struct dk_arena arena;
    char *text = NULL;
    size_t text_size = 0;
    FILE *file;

    if (size == 0)
        return 0;
    dk_arena_init(&arena, &dk_heap);
    if (read_yaml((const char *)data, size, &first, &arena) == DK_OK) {
        file = open_memstream(&text, &text_size);
        DK_CHECK(file != NULL);
        config_print(&first, file);
        (void)fclose(file);
        DK_CHECK(read_yaml(text, text_size, &second, &arena) == DK_OK);
        free(text);
        text = NULL;
        file = open_memstream(&text, &text_size);
        DK_CHECK(file != NULL);
        DK_CHECK(config_compare(&first, &second, file) == 0);
        (void)fclose(file);
        free(text);
    }
    dk_arena_release(&arena);
    return 0;
}
