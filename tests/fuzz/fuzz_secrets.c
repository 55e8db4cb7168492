/* fuzz_secrets.c - user.keys with any bytes in it, and keys and records as they come by a topic
 *
 * Its checksums and the head are made right, so that what lies behind is reached. */
#include "base/crc32c.h"
#include "fuzz_folder.h"
#include "secret/vault.h"

#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOT = DK_VAULT_KEY_SIZE, SLOTS_MAX = 16 };

static void seal_slot(uint8_t slot[SLOT])
{
    uint32_t sum = dk_crc32c(0, slot, SLOT - 4);

    memcpy(slot + SLOT - 4, &sum, sizeof(sum));
}

static size_t make_keys(const uint8_t *data, size_t size, const struct dk_cluster_key *key,
                        uint8_t *out)
{
    const uint32_t head[2] = { 0x314B4B44, 1 };
    size_t used = SLOT;

    memset(out, 0, SLOT);
    memcpy(out, head, sizeof(head));
    dk_cluster_key_print(key, out + 24);
    seal_slot(out);
    for (; size > 0 && used < (size_t)SLOTS_MAX * SLOT; used += SLOT) {
        size_t part = size < SLOT ? size : SLOT;

        memset(out + used, 0, SLOT);
        memcpy(out + used, data, part);
        out[used] %= 4;
        memset(out + used + 1, 0, 3); /* a kind that there may be */
        if (part < SLOT || data[SLOT - 1] % 8 != 0)
            seal_slot(out + used);
        data += part;
        size -= part;
    }
    return used - (size % 3 == 1 ? 5 : 0);
}

static void use(struct dk_vault *vault, const uint8_t *data, size_t size)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE], key_id[16];
    struct dk_buf out;
    int32_t uid = size > 8 ? data[4] : 0;

    (void)dk_vault_owner(data, size, &uid, key_id);
    dk_buf_init(&out, &dk_heap, DK_VAULT_SIZE_MAX);
    dk_vault_digest(data, size, digest);
    (void)dk_vault_accept_key(vault, data, size < SLOT ? size : SLOT, NULL);
    (void)dk_vault_accept(vault, digest, data, size, NULL);
    DK_CHECK(dk_vault_put(vault, uid, data, size, digest, NULL, NULL) == DK_OK);
    DK_CHECK(dk_vault_get(vault, uid, digest, &out, NULL) == DK_OK);
    DK_CHECK(out.size == size && (size == 0 || memcmp(out.data, data, size) == 0));
    dk_buf_clear(&out);
    if (dk_vault_erased(vault, uid) < UINT64_MAX) { /* no event has that number */
        dk_vault_retire(vault, uid, UINT64_MAX);
        DK_CHECK(dk_vault_get(vault, uid, digest, &out, NULL) != DK_OK && out.size == 0);
    }
    dk_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = { 1 };
    static unsigned runs;
    struct dk_cluster_key *key = dk_cluster_key_of(bytes);
    uint8_t keys[SLOTS_MAX * SLOT + SLOT];
    char path[512];
    struct dk_vault *vault;

    fuzz_folder_make();
    (void)snprintf(path, sizeof(path), "%s/blobs", fuzz_folder);
    (void)mkdir(path, 0700);
    fuzz_file_write("user.keys", keys, make_keys(data, size, key, keys));
    (void)snprintf(path, sizeof(path), "%s/user.keys", fuzz_folder);
    (void)chmod(path, 0600);
    (void)snprintf(path, sizeof(path), "%s/blobs/000001.pack", fuzz_folder);
    if (runs++ % 256 == 0) /* seldom: a new one is filled ahead, and synced */
        (void)unlink(path);
    if (dk_vault_open(&vault, fuzz_folder, key, true, NULL) == DK_OK) {
        use(vault, data, size);
        dk_vault_close(vault);
    }
    dk_cluster_key_close(key);
    return 0;
}
