/* claims.c - see claims.h */
#include "cli/claims.h"

#include "base/check.h"
#include "cli/human.h"
#include "secret/sign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 64, PATH_SIZE = 4096 };

/* --- files --- */

static struct dk_claim *add(struct cli_claims *claims)
{
    if (claims->count == claims->capacity) {
        size_t capacity = claims->capacity > 0 ? claims->capacity * 2 : 16;

        claims->items =
            dk_heap.resize(dk_heap.ctx, claims->items, claims->capacity * sizeof(*claims->items),
                           capacity * sizeof(*claims->items));
        claims->capacity = capacity;
    }
    claims->items[claims->count].verdict = DK_VERDICT_OPEN;
    return &claims->items[claims->count++];
}

enum dk_status cli_claims_read(struct cli_claims *claims, const char *path, struct dk_err *err)
{
    FILE *file = fopen(path, "re");
    char line[DK_CHECKPOINT_LINE_MAX + 2];
    enum dk_status status = DK_OK;
    unsigned number = 0;

    if (file == NULL)
        return dk_fail(err, errno == ENOENT ? DK_NOT_FOUND : DK_IO, "'%s': %s", path,
                       strerror(errno));
    while (status == DK_OK && fgets(line, sizeof(line), file) != NULL) {
        size_t size = strcspn(line, "\n");

        number++;
        status = dk_checkpoint_parse(&add(claims)->checkpoint, line, size, err);
        if (status != DK_OK)
            (void)dk_fail_in(err, "'%s' line %u", path, number);
    }
    if (status == DK_OK && ferror(file))
        status = dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    (void)fclose(file);
    return status;
}

void cli_claims_release(struct cli_claims *claims)
{
    dk_alloc_free(&dk_heap, claims->items, claims->capacity * sizeof(*claims->items));
    memset(claims, 0, sizeof(*claims));
}

/* The next of a list that commas keep apart, into `path`; false: that was all. */
static bool next_path(const char **list, char path[PATH_SIZE])
{
    size_t size = strcspn(*list, ",");

    if (**list == '\0')
        return false;
    (void)snprintf(path, PATH_SIZE, "%.*s", (int)size, *list);
    *list += size + ((*list)[size] == ',');
    return true;
}

bool cli_claim_fits(const struct dk_checkpoint *checkpoint)
{
    char line[DK_CHECKPOINT_LINE_MAX];
    size_t signed_size;

    (void)dk_checkpoint_print(checkpoint, line, &signed_size);
    return dk_sign_fits(checkpoint->key, line, signed_size, checkpoint->signature);
}

static void check_signature(struct dk_claim *claim, uint8_t (*keys)[DK_SIGN_PUBLIC_SIZE],
                            size_t count)
{
    size_t i = 0;

    while (i < count && memcmp(keys[i], claim->checkpoint.key, sizeof(keys[i])) != 0)
        i++;
    if (i == count)
        claim->verdict = DK_VERDICT_OTHER_KEY;
    else if (!cli_claim_fits(&claim->checkpoint))
        claim->verdict = DK_VERDICT_FORGED;
}

enum dk_status cli_claims_open(struct cli_claims *claims, const char *paths, const char *keys,
                               struct dk_err *err)
{
    uint8_t public_keys[KEYS_MAX][DK_SIGN_PUBLIC_SIZE];
    char path[PATH_SIZE];
    size_t count = 0;
    enum dk_status status = DK_OK;

    while (status == DK_OK && next_path(&keys, path)) {
        if (count == KEYS_MAX)
            return dk_fail(err, DK_TOO_LARGE, "more than %d public keys", KEYS_MAX);
        status = dk_sign_public_read(path, public_keys[count++], err);
    }
    while (status == DK_OK && next_path(&paths, path))
        status = cli_claims_read(claims, path, err);
    if (status == DK_OK && claims->count == 0)
        return dk_fail(err, DK_INVALID, "there is no checkpoint in what was given");
    for (size_t i = 0; status == DK_OK && i < claims->count; i++)
        check_signature(&claims->items[i], public_keys, count);
    return status;
}

/* --- what came out --- */

bool cli_claims_hold(const struct cli_claims *claims)
{
    for (size_t i = 0; i < claims->count; i++)
        if (claims->items[i].verdict != DK_VERDICT_HOLDS)
            return false;
    return true;
}

/* What was altered lies behind the last checkpoint that holds. */
static void print_since(const struct cli_claims *claims, size_t at)
{
    while (at > 0 && claims->items[at - 1].verdict != DK_VERDICT_HOLDS)
        at--;
    (void)printf(", and what differs is not before seq %llu",
                 at > 0 ? (unsigned long long)claims->items[at - 1].checkpoint.head.seq + 1 : 1);
}

void cli_claims_print(const struct cli_claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        const struct dk_claim *claim = &claims->items[i];
        char time[32];

        (void)printf(
            "checkpoint   seq %llu, signed %s: %s", (unsigned long long)claim->checkpoint.head.seq,
            cli_time(time, claim->checkpoint.signed_time), dk_verdict_word(claim->verdict));
        if (claim->verdict != DK_VERDICT_HOLDS)
            (void)printf(": %s", dk_verdict_meaning(claim->verdict));
        if (claim->verdict == DK_VERDICT_REWRITTEN)
            print_since(claims, i);
        (void)putchar('\n');
    }
}

void cli_claims_print_json(const struct cli_claims *claims)
{
    (void)putchar('[');
    for (size_t i = 0; i < claims->count; i++) {
        const struct dk_claim *claim = &claims->items[i];

        (void)printf("%s{\"seq\": %llu, \"time\": %lld, \"signed\": %lld, \"verdict\": \"%s\"}",
                     i > 0 ? ", " : "", (unsigned long long)claim->checkpoint.head.seq,
                     (long long)claim->checkpoint.head.time,
                     (long long)claim->checkpoint.signed_time, dk_verdict_word(claim->verdict));
    }
    (void)putchar(']');
}
