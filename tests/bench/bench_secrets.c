/* bench_secrets.c - what sealing costs: many different scripts, one sync for each thousand
 *
 *     bench_secrets FOLDER [SCRIPTS [BYTES]] */
#include "base/check.h"
#include "secret/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BATCH = 1000, USERS = 100 };

static double now_s(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = { 1 };
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100000;
    size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
    char path[512], *script = calloc(1, size + 32);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    double begin, put = 0, sync = 0;
    struct dk_cluster_key *key;
    struct dk_vault *vault;
    struct dk_err err;
    struct dk_buf out;

    DK_CHECK(argc > 1 && script != NULL);
    (void)mkdir(argv[1], 0700);
    (void)snprintf(path, sizeof(path), "%s/blobs", argv[1]);
    (void)mkdir(path, 0700);
    key = dk_cluster_key_of(bytes);
    if (dk_vault_open(&vault, argv[1], key, true, &err) != DK_OK)
        return (void)fprintf(stderr, "%s\n", err.text), 1;
    for (unsigned i = 0; i < count; i++) {
        begin = now_s();
        memset(script, 0, 64);
        (void)snprintf(script, size + 32, "#!/bin/sh\necho %u\n", i);
        dk_vault_digest(script, size, digest);
        DK_CHECK(dk_vault_put(vault, (int32_t)(i % USERS), script, size, digest, NULL, &err) ==
                 DK_OK);
        put += now_s() - begin;
        begin = now_s();
        if (i % BATCH == BATCH - 1)
            DK_CHECK(dk_vault_sync(vault, &err) == DK_OK);
        sync += now_s() - begin;
    }
    dk_buf_init(&out, &dk_heap, DK_VAULT_SIZE_MAX);
    begin = now_s();
    for (unsigned i = 0; i < count; i++) {
        memset(script, 0, 64);
        (void)snprintf(script, size + 32, "#!/bin/sh\necho %u\n", i);
        dk_vault_digest(script, size, digest);
        dk_buf_clear(&out);
        DK_CHECK(dk_vault_get(vault, (int32_t)(i % USERS), digest, &out, &err) == DK_OK);
    }
    (void)printf(
        "%u scripts of %zu bytes, %d users: put %.2f us, sync of %d %.2f ms, get %.2f us\n", count,
        size, USERS, put / count * 1e6, BATCH, sync / (count / (double)BATCH) * 1e3,
        (now_s() - begin) / count * 1e6);
    begin = now_s();
    DK_CHECK(dk_vault_forget(vault, 1, 1, &err) == DK_OK);
    (void)printf("forgetting one user of %d: %.2f ms\n", USERS, (now_s() - begin) * 1e3);
    dk_buf_release(&out);
    dk_vault_close(vault);
    dk_cluster_key_close(key);
    free(script);
    return 0;
}
