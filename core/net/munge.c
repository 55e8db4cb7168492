/* munge.c - credentials by MUNGE (munge.h)
 *
 * The library is opened at run time: its header is all that the build needs, and a process that has
 * no use for it does not pay for it. It stays open. */
#include "net/munge.h"

#include "base/check.h"
#include "base/sha256.h"

#include <dlfcn.h>
#include <munge.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of functions that are found by name; munge.h has their types. */
static struct {
    bool is_there;
    __typeof__(munge_encode) *encode;
    __typeof__(munge_decode) *decode;
    __typeof__(munge_strerror) *text;
    __typeof__(munge_ctx_create) *create;
    __typeof__(munge_ctx_destroy) *destroy;
    __typeof__(munge_ctx_get) *get;
    __typeof__(munge_ctx_set) *set;
    __typeof__(munge_ctx_strerror) *context_text;
} library;

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void *find(void *handle, const char *name)
{
    void *symbol = dlsym(handle, name);

    if (symbol == NULL)
        library.is_there = false;
    return symbol;
}

/* ISO C has no cast from an object's pointer to a function's; POSIX has this one. */
#define FIND(field, name) *(void **)(void *)&library.field = find(handle, name)

static void load(void)
{
    void *handle = dlopen("libmunge.so.2", RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL)
        return;
    library.is_there = true;
    FIND(encode, "munge_encode");
    FIND(decode, "munge_decode");
    FIND(text, "munge_strerror");
    FIND(create, "munge_ctx_create");
    FIND(destroy, "munge_ctx_destroy");
    FIND(get, "munge_ctx_get");
    FIND(set, "munge_ctx_set");
    FIND(context_text, "munge_ctx_strerror");
}

static bool is_loaded(void)
{
    DK_CHECK(pthread_once(&library_once, load) == 0);
    return library.is_there;
}

static munge_ctx_t context_of(const char *socket)
{
    munge_ctx_t context = library.create();

    DK_CHECK(context != NULL);
    if (socket != NULL && socket[0] != '\0')
        DK_CHECK(library.set(context, MUNGE_OPT_SOCKET, socket) == EMUNGE_SUCCESS);
    return context;
}

/* --- what a credential looks like --- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool dk_credential_is_whole(const char *text)
{
    static const char prefix[] = "MUNGE:";
    size_t size = strnlen(text, DK_CREDENTIAL_SIZE_MAX), count, pads = 0;

    if (size < sizeof(prefix) + 4 || size >= DK_CREDENTIAL_SIZE_MAX ||
        memcmp(text, prefix, sizeof(prefix) - 1) != 0 || text[size - 1] != ':')
        return false;
    text += sizeof(prefix) - 1;
    count = size - sizeof(prefix); /* of base64 */
    if (count % 4 != 0)
        return false;
    while (pads < 2 && text[count - 1 - pads] == '=')
        pads++;
    for (size_t i = 0; i < count - pads; i++) {
        if (sextet(text[i]) < 0)
            return false;
    }
    /* Bits that say nothing are zero, or the same credential would have several texts. */
    return pads == 0 || (sextet(text[count - pads - 1]) & (pads == 1 ? 3 : 15)) == 0;
}

/* --- making one --- */

enum dk_status dk_credential_make(const char *socket, const uint8_t digest[DK_DIGEST_SIZE],
                                  char text[DK_CREDENTIAL_SIZE_MAX], struct dk_err *err)
{
    munge_ctx_t context;
    munge_err_t error;
    char *made = NULL;
    enum dk_status status = DK_OK;

    if (!is_loaded())
        return dk_fail(err, DK_UNSUPPORTED,
                       "libmunge is not installed here: over TCP it proves who asks");
    context = context_of(socket);
    error = library.encode(&made, context, digest, DK_DIGEST_SIZE);
    if (error != EMUNGE_SUCCESS) {
        const char *more = library.context_text(context);

        status = dk_fail(err, DK_BUSY, "munged makes no credential: %s",
                         more != NULL ? more : library.text(error));
    } else if (!dk_credential_is_whole(made)) {
        status = dk_fail(err, DK_UNSUPPORTED,
                         "munged makes a credential of %zu bytes, unlike others", strlen(made));
    } else {
        memcpy(text, made, strlen(made) + 1);
    }
    free(made);
    library.destroy(context);
    return status;
}

/* --- looking at one --- */

static void say(struct dk_credential *credential, enum dk_proof proof, const char *why)
{
    credential->proof = proof;
    (void)snprintf(credential->why, sizeof(credential->why), "%s", why);
}

static enum dk_proof proof_of(munge_err_t error)
{
    switch ((int)error) {
    case EMUNGE_SUCCESS:
        return DK_PROOF_GOOD;
    case EMUNGE_CRED_EXPIRED:
        return DK_PROOF_EXPIRED;
    case EMUNGE_CRED_REWOUND:
        return DK_PROOF_REWOUND;
    case EMUNGE_CRED_REPLAYED:
        return DK_PROOF_REPLAYED;
    case EMUNGE_SOCKET:
    case EMUNGE_TIMEOUT:
    case EMUNGE_NO_MEMORY:
        return DK_PROOF_UNAVAILABLE;
    default: /* what is worth no second try: a credential must not hold a thread for long */
        return DK_PROOF_INVALID;
    }
}

static const char *const whys[] = {
    [DK_PROOF_GOOD] = "",
    [DK_PROOF_REPLAYED] = "the credential was used before",
    [DK_PROOF_EXPIRED] = "the credential is too old; are the clocks right?",
    [DK_PROOF_REWOUND] = "the credential is from the future; are the clocks right?",
    [DK_PROOF_MOVED] = "the credential was made for another call, or for a cluster of another name",
    [DK_PROOF_INVALID] = "the credential is not of this cluster's munge key",
    [DK_PROOF_UNAVAILABLE] = "munged does not answer here",
};

static void judge(struct dk_credential *credential, const void *payload, int size,
                  const uint8_t digest[DK_DIGEST_SIZE])
{
    int64_t age = (int64_t)time(NULL) - credential->made;

    /* Whoever replays a credential of another call is told what is wrong with it first. */
    if (credential->proof == DK_PROOF_GOOD && age > DK_CREDENTIAL_AGE_MAX)
        credential->proof = DK_PROOF_EXPIRED;
    if (credential->proof == DK_PROOF_GOOD &&
        (size != DK_DIGEST_SIZE || memcmp(payload, digest, DK_DIGEST_SIZE) != 0))
        credential->proof = DK_PROOF_MOVED;
}

void dk_credential_look(const char *socket, const char *text, const uint8_t digest[DK_DIGEST_SIZE],
                        struct dk_credential *credential)
{
    munge_ctx_t context;
    munge_err_t error;
    void *payload = NULL;
    int size = 0;
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    time_t made = 0;

    *credential = (struct dk_credential){ .uid = -1, .gid = -1 };
    if (text == NULL) {
        say(credential, DK_PROOF_INVALID, "there is no credential");
        return;
    }
    if (!dk_credential_is_whole(text)) {
        say(credential, DK_PROOF_INVALID, "the credential is none");
        return;
    }
    if (!is_loaded()) {
        say(credential, DK_PROOF_UNAVAILABLE, "libmunge is not installed here");
        return;
    }
    context = context_of(socket);
    error = library.decode(text, context, &payload, &size, &uid, &gid);
    credential->proof = proof_of(error);
    if (credential->proof != DK_PROOF_INVALID && credential->proof != DK_PROOF_UNAVAILABLE) {
        (void)library.get(context, MUNGE_OPT_ENCODE_TIME, &made);
        credential->uid = (int32_t)uid;
        credential->gid = (int32_t)gid;
        credential->made = (int64_t)made;
        judge(credential, payload, size, digest);
    }
    say(credential, credential->proof, whys[credential->proof]);
    free(payload);
    library.destroy(context);
}

/* --- digests --- */

bool dk_munge_names_cluster(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size < DK_CLUSTER_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
               size;
}

void dk_digest_call(const struct dk_munge *munge, const char *method, const char *target,
                    const void *body, size_t size, uint8_t digest[DK_DIGEST_SIZE])
{
    const char *cluster = munge->cluster[0] != '\0' ? munge->cluster : "docket";
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, cluster, strlen(cluster));
    dk_sha256_add(&hash, "\n", 1);
    dk_sha256_add(&hash, method, strlen(method));
    dk_sha256_add(&hash, " ", 1);
    dk_sha256_add(&hash, target, strlen(target));
    dk_sha256_add(&hash, "\n", 1);
    dk_sha256_add(&hash, body, size);
    dk_sha256_done(&hash, digest);
}

void dk_digest_answer(const char *credential, int status, int64_t seq, const void *body,
                      size_t size, uint8_t digest[DK_DIGEST_SIZE])
{
    struct dk_sha256 hash;
    char numbers[64];

    (void)snprintf(numbers, sizeof(numbers), "\n%d\n%lld\n", status, (long long)seq);
    dk_sha256_init(&hash);
    dk_sha256_add(&hash, "answer\n", 7);
    dk_sha256_add(&hash, credential, strlen(credential));
    dk_sha256_add(&hash, numbers, strlen(numbers));
    dk_sha256_add(&hash, body, size);
    dk_sha256_done(&hash, digest);
}

const char *dk_proof_reason(enum dk_proof proof)
{
    static const char *const reasons[] = {
#define X(name, reason) [DK_PROOF_##name] = reason,
        DK_PROOF_MAP(X)
#undef X
    };

    return reasons[proof];
}
