/* replica.c - see replica.h
 *
 * Nothing in the topic is believed without its mac, so a stranger who may write into it can put
 * nothing into a vault. Tombstones change no vault: only SecretsErased does. They let Kafka forget.
 */
#define _GNU_SOURCE
#include "secret/replica.h"

#include "base/check.h"
#include "log/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    SYNC_MS = 30000,
    AWAITED_MS = 5000,
    MISSED_MAX = 256,
    APPLIED_STEP = 65536, /* events that a start looks through at most */
    RECORDS_STEP = 256,   /* taken in between two syncs */
    KEY_SIZE = 96
};

struct erasure {
    int32_t uid;
    uint64_t seq;
};

struct missed {
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    int64_t since_ms;
};

struct dk_replica {
    struct dk_replica_options options;
    struct dk_vault *vault;
    struct dk_stream *stream; /* of the thread that keeps */
    struct dk_sealed sealed;
    struct dk_stream *graves; /* the thread's: tombstones */
    struct dk_stream_reader *reader;
    bool is_writer;
    pthread_t thread;
    int event_fd;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t moved;
    bool stop;
    struct erasure *erasures;
    uint32_t erasure_count;
    uint64_t seen;
    struct missed missed[MISSED_MAX];
    uint32_t missed_next;
};

static int64_t now_ms(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void lock(struct dk_replica *replica)
{
    DK_CHECK(pthread_mutex_lock(&replica->lock) == 0);
}

static void unlock(struct dk_replica *replica)
{
    DK_CHECK(pthread_mutex_unlock(&replica->lock) == 0);
}

static void say(const struct dk_replica *replica, const char *text)
{
    if (replica->options.say != NULL)
        replica->options.say(replica->options.ctx, text);
}

/* --- records --- */

static void mac_of(const struct dk_replica *replica, const struct dk_stream_record *record,
                   uint8_t mac[DK_CLUSTER_MAC_SIZE])
{
    size_t size = 1 + record->key.size + record->value.size;
    uint8_t *bytes = malloc(size);

    DK_CHECK(bytes != NULL);
    bytes[0] = 's';
    if (record->key.size > 0)
        memcpy(bytes + 1, record->key.data, record->key.size);
    if (record->value.size > 0)
        memcpy(bytes + 1 + record->key.size, record->value.data, record->value.size);
    dk_cluster_mac(replica->options.key, bytes, size, mac);
    free(bytes);
}

static bool is_ours(const struct dk_replica *replica, const struct dk_stream_record *record)
{
    uint8_t mac[DK_CLUSTER_MAC_SIZE];

    mac_of(replica, record, mac);
    return record->mac.size == sizeof(mac) &&
           sodium_memcmp(mac, record->mac.data, sizeof(mac)) == 0;
}

static void blob_name(const uint8_t id[DK_VAULT_ID_SIZE], char name[KEY_SIZE])
{
    name[0] = 'b';
    name[1] = '/';
    (void)sodium_bin2hex(name + 2, KEY_SIZE - 2, id, DK_VAULT_ID_SIZE);
}

static void key_name(int32_t uid, const uint8_t id[16], char name[KEY_SIZE])
{
    char hex[33];

    (void)snprintf(name, KEY_SIZE, "k/%d/%s", uid, sodium_bin2hex(hex, sizeof(hex), id, 16));
}

static bool blob_id_of(const struct dk_stream_bytes *key, uint8_t id[DK_VAULT_ID_SIZE])
{
    size_t got;

    return key->size == 2 + 2 * DK_VAULT_ID_SIZE && memcmp(key->data, "b/", 2) == 0 &&
           sodium_hex2bin(id, DK_VAULT_ID_SIZE, (const char *)key->data + 2, 2 * DK_VAULT_ID_SIZE,
                          NULL, &got, NULL) == 0 &&
           got == DK_VAULT_ID_SIZE;
}

/* `value` NULL: a tombstone. */
static enum dk_status send(const struct dk_replica *replica, struct dk_stream *stream,
                           const char *name, const void *value, size_t size, struct dk_err *err)
{
    uint8_t mac[DK_CLUSTER_MAC_SIZE];
    struct dk_stream_record record = { .key = { (const uint8_t *)name, strlen(name) },
                                       .value = { value, size } };
    struct dk_stream_result result;
    enum dk_status status;

    mac_of(replica, &record, mac);
    record.mac = (struct dk_stream_bytes){ mac, sizeof(mac) };
    while ((status = dk_stream_send(stream, &record, 0, err)) == DK_BUSY) {
        (void)poll(&(struct pollfd){ .fd = dk_stream_fd(stream), .events = POLLIN }, 1, TICK_MS);
        while (dk_stream_poll(stream, &result) == DK_OK) {
            if (result.status != DK_OK)
                return dk_fail(err, result.status, "%s", result.why);
        }
    }
    return status;
}

/* Waits until all that was sent is in the topic. */
static enum dk_status drain(struct dk_stream *stream, struct dk_err *err)
{
    struct dk_stream_result result;
    int64_t end = now_ms() + 2 * (int64_t)SYNC_MS;
    enum dk_status status = DK_OK;

    while (dk_stream_pending(stream) > 0 && now_ms() < end) {
        (void)poll(&(struct pollfd){ .fd = dk_stream_fd(stream), .events = POLLIN }, 1, TICK_MS);
        while (dk_stream_poll(stream, &result) == DK_OK) {
            if (result.status != DK_OK)
                status = dk_fail(err, result.status, "the topic of secrets: %s", result.why);
        }
    }
    return status != DK_OK || dk_stream_pending(stream) == 0
               ? status
               : dk_fail(err, DK_BUSY, "the topic of secrets takes nothing");
}

/* --- doors --- */

struct dk_vault *dk_replica_vault(struct dk_replica *replica)
{
    return replica->vault;
}

enum dk_status dk_replica_keep(struct dk_replica *replica, int32_t uid, const void *bytes,
                               size_t size, const uint8_t digest[DK_VAULT_DIGEST_SIZE],
                               struct dk_err *err)
{
    struct dk_sealed *sealed = &replica->sealed;
    uint8_t key_id[16];
    char name[KEY_SIZE];
    int32_t owner;
    enum dk_status status;

    dk_buf_clear(&sealed->record);
    status = dk_vault_seal(replica->vault, uid, bytes, size, digest, sealed, err);
    if (status != DK_OK || sealed->is_there)
        return status;
    if (sealed->has_key) { /* again, if need be, until it is back from the topic */
        DK_CHECK(dk_vault_owner(sealed->record.data, sealed->record.size, &owner, key_id));
        key_name(owner, key_id, name);
        status = send(replica, replica->stream, name, sealed->key, sizeof(sealed->key), err);
    }
    blob_name(sealed->id, name);
    if (status == DK_OK)
        status =
            send(replica, replica->stream, name, sealed->record.data, sealed->record.size, err);
    return status;
}

enum dk_status dk_replica_sync(struct dk_replica *replica, struct dk_err *err)
{
    return drain(replica->stream, err);
}

/* --- what was erased --- */

void dk_replica_erased(struct dk_replica *replica, int32_t uid, uint64_t seq)
{
    const uint64_t one = 1;

    dk_vault_retire(replica->vault, uid, seq);
    lock(replica);
    replica->erasures =
        realloc(replica->erasures, (replica->erasure_count + 1) * sizeof(struct erasure));
    DK_CHECK(replica->erasures != NULL);
    replica->erasures[replica->erasure_count++] = (struct erasure){ uid, seq };
    unlock(replica);
    DK_CHECK(write(replica->event_fd, &one, sizeof(one)) == sizeof(one));
}

void dk_replica_seen(struct dk_replica *replica, uint64_t seq)
{
    dk_vault_seen(replica->vault, seq);
    lock(replica);
    if (replica->seen < seq)
        replica->seen = seq;
    unlock(replica);
}

struct burial {
    struct dk_replica *replica;
    enum dk_status status;
    struct dk_err *err;
};

static void bury(void *ctx, int32_t uid, const uint8_t *id, bool is_key)
{
    struct burial *burial = ctx;
    char name[KEY_SIZE];

    if (burial->status != DK_OK)
        return;
    if (is_key)
        key_name(uid, id, name);
    else
        blob_name(id, name);
    burial->status = send(burial->replica, burial->replica->graves, name, NULL, 0, burial->err);
}

/* Tombstones first: what they are for is known only until it is forgotten here. */
static enum dk_status erase(struct dk_replica *replica, const struct erasure *erasure,
                            struct dk_err *err)
{
    struct burial burial = { replica, DK_OK, err };
    char text[96];
    enum dk_status status =
        dk_vault_old(replica->vault, erasure->uid, erasure->seq, bury, &burial, err);

    if (status == DK_OK)
        status = burial.status;
    if (status == DK_OK)
        status = drain(replica->graves, err);
    if (status == DK_OK)
        status = dk_vault_forget(replica->vault, erasure->uid, erasure->seq, err);
    if (status == DK_OK) {
        (void)snprintf(text, sizeof(text), "what user %d gave before event %llu is erased",
                       erasure->uid, (unsigned long long)erasure->seq);
        say(replica, text);
    }
    return status;
}

/* Who does not write the folder keeps it in mind, for it may have to one day. */
static enum dk_status erase_all(struct dk_replica *replica, struct dk_err *err)
{
    struct erasure erasure;
    enum dk_status status = DK_OK;

    while (status == DK_OK) {
        lock(replica);
        if (replica->erasure_count == 0) {
            uint64_t seen = replica->seen;

            unlock(replica);
            return seen > dk_vault_applied(replica->vault) + APPLIED_STEP
                       ? dk_vault_applied_set(replica->vault, seen, err)
                       : DK_OK;
        }
        erasure = replica->erasures[0];
        unlock(replica);
        status = erase(replica, &erasure, err);
        if (status != DK_OK)
            break;
        lock(replica); /* others only add at the end */
        replica->erasure_count--;
        memmove(replica->erasures, replica->erasures + 1,
                replica->erasure_count * sizeof(struct erasure));
        unlock(replica);
    }
    return status;
}

/* --- reading the topic --- */

/* A key of before an erasure that came behind its tombstones: it gets one of its own. */
static enum dk_status take_late(struct dk_replica *replica, const struct dk_stream_record *record,
                                struct dk_err *err)
{
    char name[KEY_SIZE];

    if (record->key.size >= sizeof(name))
        return DK_OK;
    memcpy(name, record->key.data, record->key.size);
    name[record->key.size] = '\0';
    return send(replica, replica->graves, name, NULL, 0, err);
}

static enum dk_status take(struct dk_replica *replica, const struct dk_stream_record *record,
                           struct dk_err *err)
{
    uint8_t id[DK_VAULT_ID_SIZE];
    enum dk_status status = DK_OK;

    if (record->value.data == NULL || record->key.size < 1 || !is_ours(replica, record))
        return DK_OK;
    if (record->key.data[0] == 'k')
        status = dk_vault_accept_key(replica->vault, record->value.data, record->value.size, err);
    else if (blob_id_of(&record->key, id))
        status = dk_vault_accept(replica->vault, id, record->value.data, record->value.size, err);
    if (status == DK_END)
        return take_late(replica, record, err);
    return status == DK_CORRUPT ? DK_OK : status;
}

/* All there is; DK_AGAIN at the end. */
static enum dk_status take_all(struct dk_replica *replica, struct dk_err *err)
{
    struct dk_stream_record record;
    enum dk_status status = DK_OK;

    while (status == DK_OK) {
        uint32_t count = 0;
        enum dk_status synced;

        while (count < RECORDS_STEP &&
               (status = dk_stream_reader_next(replica->reader, &record, err)) == DK_OK) {
            status = take(replica, &record, err);
            count++;
            if (status != DK_OK)
                break;
        }
        if (count == 0)
            break;
        synced = dk_vault_sync(replica->vault, err);
        if (synced == DK_OK)
            synced =
                dk_vault_offset_set(replica->vault, dk_stream_reader_offset(replica->reader), err);
        if (synced != DK_OK)
            return synced;
        lock(replica);
        DK_CHECK(pthread_cond_broadcast(&replica->moved) == 0);
        unlock(replica);
    }
    return status;
}

static enum dk_status open_reader(struct dk_replica *replica, struct dk_err *err)
{
    int64_t first, limit, offset = dk_vault_offset(replica->vault);
    enum dk_status status = dk_stream_reader_open(&replica->reader, replica->options.log_uri,
                                                  DK_STREAM_SECRETS, 0, err);

    if (status == DK_OK)
        status = dk_stream_reader_range(replica->reader, &first, &limit, SYNC_MS, err);
    if (status == DK_OK)
        status = dk_stream_reader_seek(replica->reader,
                                       offset < first || offset > limit ? first : offset, err);
    return status;
}

static enum dk_status become_writer(struct dk_replica *replica, struct dk_err *err)
{
    enum dk_status status = dk_vault_become_writer(replica->vault, err);

    if (status == DK_OK && replica->reader == NULL)
        status = open_reader(replica, err);
    if (status == DK_OK && replica->options.look_through != NULL)
        status = replica->options.look_through(replica->options.ctx, replica,
                                               dk_vault_applied(replica->vault), err);
    replica->is_writer = status == DK_OK;
    return status;
}

static enum dk_status turn(struct dk_replica *replica, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (!replica->is_writer)
        status = become_writer(replica, err);
    if (status == DK_OK)
        status = take_all(replica, err);
    if (status == DK_OK || status == DK_AGAIN)
        status = erase_all(replica, err);
    return status;
}

static void *run(void *context)
{
    struct dk_replica *replica = context;
    char last[DK_ERR_TEXT_MAX] = "";
    struct dk_err err;
    bool stop = false;

    while (!stop) {
        enum dk_status status = turn(replica, &err);
        struct pollfd fds[] = { { .fd = replica->event_fd, .events = POLLIN },
                                { .fd = replica->is_writer && status == DK_OK
                                            ? dk_stream_reader_fd(replica->reader)
                                            : -1,
                                  .events = POLLIN } };
        uint64_t count;

        if (status != DK_OK && status != DK_BUSY && strcmp(last, err.text) != 0) {
            say(replica, err.text);
            memcpy(last, err.text, sizeof(last));
        }
        if (poll(fds, 2, TICK_MS) > 0 && fds[0].revents != 0 &&
            read(replica->event_fd, &count, sizeof(count)) < 0)
            DK_CHECK(errno == EAGAIN);
        lock(replica);
        stop = replica->stop;
        unlock(replica);
    }
    return NULL;
}

/* --- waiting --- */

bool dk_replica_wait(struct dk_replica *replica, int32_t uid,
                     const uint8_t digest[DK_VAULT_DIGEST_SIZE], int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    bool has = dk_vault_has(replica->vault, uid, digest);

    while (!has && now_ms() < end) {
        struct timespec until;

        DK_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
        until.tv_nsec += 20 * 1000000L; /* another process may be the one that takes it in */
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        lock(replica);
        (void)pthread_cond_timedwait(&replica->moved, &replica->lock, &until);
        unlock(replica);
        has = dk_vault_has(replica->vault, uid, digest);
    }
    return has;
}

bool dk_replica_is_awaited(struct dk_replica *replica, const uint8_t digest[DK_VAULT_DIGEST_SIZE])
{
    int64_t now = now_ms();
    struct missed *missed = NULL;
    bool is_awaited;

    lock(replica);
    for (uint32_t i = 0; i < MISSED_MAX && missed == NULL; i++) {
        if (memcmp(replica->missed[i].digest, digest, DK_VAULT_DIGEST_SIZE) == 0)
            missed = &replica->missed[i];
    }
    if (missed == NULL) {
        missed = &replica->missed[replica->missed_next++ % MISSED_MAX];
        memcpy(missed->digest, digest, DK_VAULT_DIGEST_SIZE);
        missed->since_ms = now;
    }
    is_awaited = now - missed->since_ms < AWAITED_MS;
    unlock(replica);
    return is_awaited;
}

/* --- opening --- */

/* The first record `c` says which cluster key the topic is of. Who finds none puts its own; of two
 * who do so at once the first counts. */
static enum dk_status check_print(struct dk_replica *replica, struct dk_err *err)
{
    struct dk_stream_reader *reader = NULL;
    struct dk_stream_record record;
    uint8_t print[DK_CLUSTER_PRINT_SIZE];
    int64_t end = now_ms() + SYNC_MS;
    bool is_found = false, is_right = true, is_sent = false;
    enum dk_status status =
        dk_stream_reader_open(&reader, replica->options.log_uri, DK_STREAM_SECRETS, 0, err);

    dk_cluster_key_print(replica->options.key, print);
    while (status == DK_OK && !is_found && now_ms() < end) {
        status = dk_stream_reader_next(reader, &record, err);
        if (status == DK_OK && record.key.size == 1 && record.key.data[0] == 'c') {
            is_found = true;
            is_right = record.value.size == sizeof(print) &&
                       memcmp(record.value.data, print, sizeof(print)) == 0;
        }
        if (status != DK_AGAIN)
            continue;
        status = DK_OK;
        if (dk_stream_reader_at_end(reader) && !is_sent) {
            is_sent = true;
            status = send(replica, replica->graves, "c", print, sizeof(print), err);
            if (status == DK_OK)
                status = drain(replica->graves, err);
        }
        (void)dk_stream_reader_wait(reader, TICK_MS);
    }
    dk_stream_reader_close(reader);
    if (status == DK_OK && !is_found)
        return dk_fail(err, DK_IO, "the topic of secrets can't be read to its end");
    if (status == DK_OK && !is_right)
        return dk_fail(err, DK_INVALID,
                       "'%s/cluster.key' is not the key of this cluster: copy it from another "
                       "controller's host",
                       replica->options.dir);
    return status;
}

enum dk_status dk_replica_open(struct dk_replica **out, const struct dk_replica_options *options,
                               struct dk_err *err)
{
    struct dk_replica *replica = calloc(1, sizeof(*replica));
    enum dk_status status;

    DK_CHECK(replica != NULL);
    *out = NULL;
    replica->options = *options;
    replica->event_fd = -1;
    DK_CHECK(pthread_mutex_init(&replica->lock, NULL) == 0);
    DK_CHECK(pthread_cond_init(&replica->moved, NULL) == 0);
    dk_buf_init(&replica->sealed.record, &dk_heap, DK_VAULT_SIZE_MAX + 4096);
    status = dk_stream_open(&replica->stream, options->log_uri, DK_STREAM_SECRETS, NULL, err);
    if (status == DK_OK)
        status = dk_stream_open(&replica->graves, options->log_uri, DK_STREAM_SECRETS, NULL, err);
    if (status == DK_OK)
        status = check_print(replica, err);
    if (status == DK_OK)
        status = dk_vault_open(&replica->vault, options->dir, options->key, false, err);
    if (status == DK_OK) {
        replica->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        DK_CHECK(replica->event_fd >= 0);
        if (become_writer(replica, err) != DK_OK)
            replica->is_writer = false; /* another process is, or the thread tries again */
        DK_CHECK(pthread_create(&replica->thread, NULL, run, replica) == 0);
        *out = replica;
    } else {
        dk_replica_close(replica);
    }
    return status;
}

void dk_replica_close(struct dk_replica *replica)
{
    const uint64_t one = 1;

    if (replica == NULL)
        return;
    if (replica->event_fd >= 0) {
        lock(replica);
        replica->stop = true;
        unlock(replica);
        DK_CHECK(write(replica->event_fd, &one, sizeof(one)) == sizeof(one));
        DK_CHECK(pthread_join(replica->thread, NULL) == 0);
        (void)close(replica->event_fd);
    }
    dk_stream_close(replica->stream);
    dk_stream_close(replica->graves);
    dk_stream_reader_close(replica->reader);
    dk_vault_close(replica->vault);
    dk_buf_release(&replica->sealed.record);
    free(replica->erasures);
    (void)pthread_cond_destroy(&replica->moved);
    (void)pthread_mutex_destroy(&replica->lock);
    free(replica);
}
