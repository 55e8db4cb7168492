/* cluster_key.c - see cluster_key.h
 *
 * A new key is written and synced under a name of its own, then linked to its place, which fails
 * when somebody was quicker: so there is never half a key, and never a second one. */
#define _GNU_SOURCE
#include "secret/cluster_key.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4400, HEX_SIZE = 2 * DK_CLUSTER_KEY_SIZE };

/* Numbers of subkeys: they may not change. */
enum purpose { PURPOSE_MAC = 1, PURPOSE_WRAP = 2, PURPOSE_PRINT = 3 };

struct dk_cluster_key {
    uint8_t mac[DK_CLUSTER_KEY_SIZE];
    uint8_t wrap[DK_CLUSTER_KEY_SIZE];
    uint8_t print[DK_CLUSTER_PRINT_SIZE];
};

_Static_assert(DK_CLUSTER_KEY_SIZE == crypto_kdf_KEYBYTES, "the size that libsodium derives from");
_Static_assert(DK_CLUSTER_MAC_SIZE == crypto_generichash_BYTES, "BLAKE2b-256");
_Static_assert(DK_CLUSTER_PRINT_SIZE >= crypto_kdf_BYTES_MIN, "a subkey has at least this");

static void derive(const uint8_t bytes[DK_CLUSTER_KEY_SIZE], enum purpose purpose, uint8_t *out,
                   size_t size)
{
    DK_CHECK(crypto_kdf_derive_from_key(out, size, (uint64_t)purpose, "docket_c", bytes) == 0);
}

struct dk_cluster_key *dk_cluster_key_of(const uint8_t bytes[DK_CLUSTER_KEY_SIZE])
{
    struct dk_cluster_key *key;

    DK_CHECK(sodium_init() >= 0);
    key = sodium_malloc(sizeof(*key));
    DK_CHECK(key != NULL);
    derive(bytes, PURPOSE_MAC, key->mac, sizeof(key->mac));
    derive(bytes, PURPOSE_WRAP, key->wrap, sizeof(key->wrap));
    derive(bytes, PURPOSE_PRINT, key->print, sizeof(key->print));
    DK_CHECK(sodium_mprotect_readonly(key) == 0);
    return key;
}

void dk_cluster_key_close(struct dk_cluster_key *key)
{
    sodium_free(key);
}

void dk_cluster_mac(const struct dk_cluster_key *key, const void *bytes, size_t size,
                    uint8_t mac[DK_CLUSTER_MAC_SIZE])
{
    DK_CHECK(
        crypto_generichash(mac, DK_CLUSTER_MAC_SIZE, bytes, size, key->mac, sizeof(key->mac)) == 0);
}

bool dk_cluster_mac_fits(const struct dk_cluster_key *key, const void *bytes, size_t size,
                         const void *mac, size_t mac_size)
{
    uint8_t right[DK_CLUSTER_MAC_SIZE];

    if (mac_size != sizeof(right))
        return false;
    dk_cluster_mac(key, bytes, size, right);
    return sodium_memcmp(right, mac, sizeof(right)) == 0;
}

void dk_cluster_key_print(const struct dk_cluster_key *key, uint8_t print[DK_CLUSTER_PRINT_SIZE])
{
    memcpy(print, key->print, DK_CLUSTER_PRINT_SIZE);
}

const uint8_t *dk_cluster_key_wrap(const struct dk_cluster_key *key)
{
    return key->wrap;
}

/* --- the file --- */

static enum dk_status check_rights(int fd, const char *path, struct dk_err *err)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return dk_fail(err, DK_CORRUPT, "'%s' is no file", path);
    if ((about.st_mode & 077) != 0)
        return dk_fail(err, DK_NOT_PERMITTED,
                       "'%s' is open to others (mode %04o): it must be 0600, and the key of who "
                       "could read it is no secret any more",
                       path, (unsigned)about.st_mode & 07777);
    if (about.st_uid != geteuid() && about.st_uid != 0)
        return dk_fail(err, DK_NOT_PERMITTED, "'%s' belongs to user %u, not to us (%u) or root",
                       path, (unsigned)about.st_uid, (unsigned)geteuid());
    return DK_OK;
}

/* 64 digits, and a newline if an editor or we put one there. */
static bool parse(char *text, size_t size, uint8_t bytes[DK_CLUSTER_KEY_SIZE])
{
    size_t got;

    if (size == HEX_SIZE + 1 && text[HEX_SIZE] == '\n')
        size--;
    return size == HEX_SIZE &&
           sodium_hex2bin(bytes, DK_CLUSTER_KEY_SIZE, text, size, NULL, &got, NULL) == 0 &&
           got == DK_CLUSTER_KEY_SIZE;
}

/* DK_END: there is no such file. */
static enum dk_status read_key(const char *path, uint8_t bytes[DK_CLUSTER_KEY_SIZE],
                               struct dk_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char text[HEX_SIZE + 2];
    enum dk_status status;
    ssize_t got;

    if (fd < 0)
        return errno == ENOENT ? DK_END : dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    status = check_rights(fd, path, err);
    if (status == DK_OK) {
        got = read(fd, text, sizeof(text));
        if (got < 0)
            status = dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
        else if (!parse(text, (size_t)got, bytes))
            status = dk_fail(err, DK_CORRUPT, "'%s' is not a key of %d hexadecimal digits", path,
                             HEX_SIZE);
        sodium_memzero(text, sizeof(text));
    }
    (void)close(fd);
    return status;
}

static enum dk_status sync_folder(const char *dir, struct dk_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum dk_status status = DK_OK;

    if (fd < 0 || fsync(fd) != 0)
        status = dk_fail(err, DK_IO, "'%s': %s", dir, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum dk_status write_new(const char *path, struct dk_err *err)
{
    uint8_t bytes[DK_CLUSTER_KEY_SIZE];
    char text[HEX_SIZE + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum dk_status status = DK_OK;

    if (fd < 0)
        return dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    randombytes_buf(bytes, sizeof(bytes));
    (void)sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
    text[HEX_SIZE] = '\n';
    if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd) != 0)
        status = dk_fail(err, errno == ENOSPC || errno == EDQUOT ? DK_FULL : DK_IO, "'%s': %s",
                         path, strerror(errno));
    sodium_memzero(bytes, sizeof(bytes));
    sodium_memzero(text, sizeof(text));
    (void)close(fd);
    return status;
}

static enum dk_status make_key(const char *dir, const char *path, struct dk_err *err)
{
    char fresh[PATH_SIZE + 32];
    enum dk_status status;

    (void)snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
    (void)unlink(fresh); /* of a process of our number that died */
    status = write_new(fresh, err);
    if (status == DK_OK && link(fresh, path) != 0 && errno != EEXIST)
        status = dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    (void)unlink(fresh);
    return status == DK_OK ? sync_folder(dir, err) : status;
}

enum dk_status dk_cluster_key_open(struct dk_cluster_key **out, const char *dir, bool may_make,
                                   struct dk_err *err)
{
    uint8_t bytes[DK_CLUSTER_KEY_SIZE];
    char path[PATH_SIZE];
    enum dk_status status;

    *out = NULL;
    DK_CHECK(sodium_init() >= 0);
    if ((size_t)snprintf(path, sizeof(path), "%s/cluster.key", dir) >= sizeof(path))
        return dk_fail(err, DK_TOO_LARGE, "the path of the cluster's folder is too long");
    status = read_key(path, bytes, err);
    if (status == DK_END && may_make) {
        status = make_key(dir, path, err);
        if (status == DK_OK)
            status = read_key(path, bytes, err);
    }
    if (status == DK_END)
        return dk_fail(err, DK_NOT_FOUND,
                       "there is no '%s' and this cluster is not new: copy it from another "
                       "controller's host (or a backup), mode 0600",
                       path);
    if (status == DK_OK)
        *out = dk_cluster_key_of(bytes);
    sodium_memzero(bytes, sizeof(bytes));
    return status;
}
