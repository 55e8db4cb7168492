/* sign.c - see sign.h */
#define _GNU_SOURCE
#include "secret/sign.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4400, HEX_SIZE = 64, LINE_SIZE = 128 };

static const char secret_head[] = "docket-audit-secret ed25519 ";
static const char public_head[] = "docket-audit-key ed25519 ";

struct dk_sign_key {
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

_Static_assert(DK_SIGN_PUBLIC_SIZE == crypto_sign_PUBLICKEYBYTES, "Ed25519");
_Static_assert(DK_SIGN_SIZE == crypto_sign_BYTES, "Ed25519");
_Static_assert(HEX_SIZE == 2 * crypto_sign_SEEDBYTES, "a seed in hexadecimal digits");

static struct dk_sign_key *key_of(const uint8_t seed[crypto_sign_SEEDBYTES])
{
    struct dk_sign_key *key = sodium_malloc(sizeof(*key));

    DK_CHECK(key != NULL);
    DK_CHECK(crypto_sign_seed_keypair(key->public_key, key->secret, seed) == 0);
    DK_CHECK(sodium_mprotect_readonly(key) == 0);
    return key;
}

void dk_sign_key_close(struct dk_sign_key *key)
{
    sodium_free(key);
}

void dk_sign_key_public(const struct dk_sign_key *key, uint8_t public_key[DK_SIGN_PUBLIC_SIZE])
{
    memcpy(public_key, key->public_key, DK_SIGN_PUBLIC_SIZE);
}

void dk_sign(const struct dk_sign_key *key, const void *bytes, size_t size,
             uint8_t signature[DK_SIGN_SIZE])
{
    DK_CHECK(crypto_sign_detached(signature, NULL, bytes, size, key->secret) == 0);
}

bool dk_sign_fits(const uint8_t public_key[DK_SIGN_PUBLIC_SIZE], const void *bytes, size_t size,
                  const uint8_t signature[DK_SIGN_SIZE])
{
    DK_CHECK(sodium_init() >= 0);
    return crypto_sign_verify_detached(signature, bytes, size, public_key) == 0;
}

/* --- files --- */

static enum dk_status fail_errno(const char *path, struct dk_err *err)
{
    enum dk_status status = DK_IO;

    if (errno == ENOENT)
        status = DK_NOT_FOUND;
    else if (errno == EEXIST)
        return dk_fail(err, DK_INVALID, "'%s' is there already, and a key is never overwritten",
                       path);
    else if (errno == EACCES || errno == EPERM)
        status = DK_NOT_PERMITTED;
    else if (errno == ENOSPC || errno == EDQUOT)
        status = DK_FULL;
    return dk_fail(err, status, "'%s': %s", path, strerror(errno));
}

static enum dk_status check_rights(int fd, const char *path, struct dk_err *err)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return fail_errno(path, err);
    if ((about.st_mode & 077) != 0)
        return dk_fail(err, DK_NOT_PERMITTED,
                       "'%s' is open to others (mode %04o): it must be 0600, and a key that others "
                       "could read proves nothing",
                       path, (unsigned)about.st_mode & 07777);
    if (about.st_uid != geteuid() && about.st_uid != 0)
        return dk_fail(err, DK_NOT_PERMITTED, "'%s' belongs to user %u, not to us (%u) or root",
                       path, (unsigned)about.st_uid, (unsigned)geteuid());
    return DK_OK;
}

static bool begins_with(const char *text, size_t size, const char *head)
{
    return size >= strlen(head) && memcmp(text, head, strlen(head)) == 0;
}

/* The 32 bytes behind `head`. */
static enum dk_status read_line(const char *path, const char *head, bool is_secret,
                                uint8_t bytes[DK_SIGN_PUBLIC_SIZE], struct dk_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char text[LINE_SIZE];
    enum dk_status status;
    ssize_t got;
    size_t at = strlen(head), size;

    if (fd < 0)
        return fail_errno(path, err);
    status = is_secret ? check_rights(fd, path, err) : DK_OK;
    got = status == DK_OK ? read(fd, text, sizeof(text)) : 0;
    if (got < 0)
        status = fail_errno(path, err);
    (void)close(fd);
    size = got > 0 ? (size_t)got : 0;
    if (status == DK_OK && size == at + HEX_SIZE + 1 && text[size - 1] == '\n')
        size--;
    if (status == DK_OK &&
        (size != at + HEX_SIZE || !begins_with(text, size, head) ||
         sodium_hex2bin(bytes, DK_SIGN_PUBLIC_SIZE, text + at, HEX_SIZE, NULL, NULL, NULL) != 0)) {
        const char *other = is_secret ? public_head : secret_head;

        status = dk_fail(err, DK_INVALID, "'%s' is %s: a line '%sHEX' is wanted", path,
                         !begins_with(text, size, other) ? "no key"
                         : is_secret                     ? "a public key"
                                                         : "a secret key, not for this",
                         head);
    }
    sodium_memzero(text, sizeof(text));
    return status;
}

enum dk_status dk_sign_key_open(struct dk_sign_key **out, const char *path, struct dk_err *err)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    enum dk_status status;

    *out = NULL;
    DK_CHECK(sodium_init() >= 0);
    status = read_line(path, secret_head, true, seed, err);
    if (status == DK_OK)
        *out = key_of(seed);
    sodium_memzero(seed, sizeof(seed));
    return status;
}

enum dk_status dk_sign_public_read(const char *path, uint8_t public_key[DK_SIGN_PUBLIC_SIZE],
                                   struct dk_err *err)
{
    DK_CHECK(sodium_init() >= 0);
    return read_line(path, public_head, false, public_key, err);
}

static enum dk_status write_new(const char *path, mode_t mode, const char *head,
                                const uint8_t bytes[DK_SIGN_PUBLIC_SIZE], struct dk_err *err)
{
    char text[LINE_SIZE], hex[HEX_SIZE + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), size;
    enum dk_status status = DK_OK;

    if (fd < 0)
        return fail_errno(path, err);
    (void)sodium_bin2hex(hex, sizeof(hex), bytes, DK_SIGN_PUBLIC_SIZE);
    size = snprintf(text, sizeof(text), "%s%s\n", head, hex);
    if (write(fd, text, (size_t)size) != (ssize_t)size || fsync(fd) != 0) {
        status = fail_errno(path, err);
        (void)unlink(path);
    }
    sodium_memzero(text, sizeof(text));
    sodium_memzero(hex, sizeof(hex));
    (void)close(fd);
    return status;
}

enum dk_status dk_sign_key_make(const char *path, struct dk_err *err)
{
    uint8_t seed[crypto_sign_SEEDBYTES], public_key[DK_SIGN_PUBLIC_SIZE];
    struct dk_sign_key *key;
    char beside[PATH_SIZE];
    enum dk_status status;

    if ((size_t)snprintf(beside, sizeof(beside), "%s.pub", path) >= sizeof(beside))
        return dk_fail(err, DK_TOO_LARGE, "'%.40s...' is too long for a path", path);
    DK_CHECK(sodium_init() >= 0);
    randombytes_buf(seed, sizeof(seed));
    key = key_of(seed);
    dk_sign_key_public(key, public_key);
    status = write_new(path, 0600, secret_head, seed, err);
    if (status == DK_OK) {
        status = write_new(beside, 0644, public_head, public_key, err);
        if (status != DK_OK)
            (void)unlink(path);
    }
    dk_sign_key_close(key);
    sodium_memzero(seed, sizeof(seed));
    return status;
}
