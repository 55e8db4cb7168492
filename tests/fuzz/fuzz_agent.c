/* fuzz_agent.c - what an agent reads from its folder and from the projector, of any bytes
 *
 * The first byte says what the rest is taken for: the ledger, a job's task record, an answer with
 * orders, or a pattern of a file's name. Checksums of ledger and record are made right. */
#include "base/crc32c.h"
#include "fuzz_folder.h"
#include "nodes/inbox.h"
#include "nodes/ledger.h"
#include "nodes/pattern.h"
#include "nodes/task.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LEDGER, RECORD, DELIVERY, PATTERN, KIND_COUNT };
enum { MAGIC_SIZE = 8, HEAD_SIZE = 32 };

static int folder = -1;
static struct { /* what the ledger said */
    uint32_t count;
    uint8_t sum;
} seen;

/* --- ledger --- */

static void take(void *context, const struct dk_ledger_entry *entry)
{
    (void)context;
    seen.count++;
    for (uint32_t i = 0; i < entry->bytes.size; i++)
        seen.sum ^= entry->bytes.data[i];
}

static void give(void *context, struct dk_ledger *ledger)
{
    static const struct dk_ledger_entry entry = { DK_LEDGER_EPOCH, 1, 2, 3, { NULL, 0 } };

    (void)context;
    DK_CHECK(dk_ledger_add(ledger, &entry, NULL) == DK_OK);
}

/* Entry by entry; the lowest bit of an entry's checksum says whether its size is left as it is. */
static void make_right(uint8_t *bytes, size_t size)
{
    memcpy(bytes, "DKLGL01", MAGIC_SIZE);
    for (size_t at = MAGIC_SIZE; size - at >= HEAD_SIZE;) {
        uint32_t entry, sum;

        memcpy(&entry, bytes + at, 4);
        if (bytes[at + 4] & 1)
            entry = HEAD_SIZE + entry % 64;
        if (entry < HEAD_SIZE || entry > size - at)
            entry = (uint32_t)(size - at);
        sum = dk_crc32c(0, bytes + at + 8, entry - 8);
        memcpy(bytes + at, &entry, 4);
        memcpy(bytes + at + 4, &sum, 4);
        at += (entry + (size_t)7) & ~(size_t)7;
        if (at > size)
            break;
    }
}

static void ledger(uint8_t *bytes, size_t size)
{
    const struct dk_ledger_owner owner = { NULL, take, give };
    struct dk_ledger *opened;

    if (size >= MAGIC_SIZE)
        make_right(bytes, size);
    fuzz_file_write("ledger", bytes, size);
    if (dk_ledger_open(&opened, folder, &owner, NULL) != DK_OK)
        return;
    dk_ledger_close(opened);
    seen.count = 0;
    DK_CHECK(dk_ledger_open(&opened, folder, &owner, NULL) == DK_OK);
    DK_CHECK(seen.count == 1); /* what was given, and no more */
    dk_ledger_close(opened);
}

/* --- the others --- */

static void record(const uint8_t *data, size_t size)
{
    struct dk_task_record written = { 0 }, read;
    size_t used = size < sizeof(written) ? size : sizeof(written);

    memcpy(&written, data, used);
    written.magic = DK_TASK_MAGIC;
    written.crc = dk_task_record_crc(&written);
    fuzz_file_write("task", (const uint8_t *)&written, used);
    if (!dk_task_record_read(folder, "task", &read))
        return;
    DK_CHECK(memcmp(&read, &written, sizeof(read)) == 0);
    DK_CHECK(memchr(read.boot, 0, sizeof(read.boot)) != NULL);
    DK_CHECK(memchr(read.why, 0, sizeof(read.why)) != NULL);
}

/* Each order is `| type u8 | size u8 | body |`; without the right fingerprint none would be read.
 */
static void add_orders(struct dk_buf *out, const uint8_t *data, size_t size)
{
    while (size >= 2) {
        int type = 1 + data[0] % (DK_ORDER_TYPE_COUNT - 1);
        uint64_t fingerprint = dk_order_fingerprint((enum dk_order_type)type);
        uint32_t body = data[1] < size - 2 ? data[1] : (uint32_t)(size - 2);
        uint32_t framed = body + 10 + (data[0] >> 7); /* or a byte too many */

        DK_CHECK(dk_buf_add(out, &framed, 4) && dk_buf_add(out, "\xc3\x01", 2) &&
                 dk_buf_add(out, &fingerprint, 8) && dk_buf_add(out, data + 2, body));
        data += 2 + body;
        size -= 2 + body;
    }
}

static void delivery(const uint8_t *data, size_t size)
{
    struct dk_delivery *parsed = calloc(1, sizeof(*parsed));

    DK_CHECK(parsed != NULL);
    dk_arena_init(&parsed->arena, &dk_heap);
    dk_buf_init(&parsed->body, &dk_heap, 1 << 20);
    add_orders(&parsed->body, data, size);
    if (dk_delivery_parse(parsed, NULL) == DK_OK)
        for (uint32_t i = 0; i < parsed->count; i++)
            DK_CHECK(parsed->items[i].order.type < DK_ORDER_TYPE_COUNT);
    dk_delivery_destroy(parsed);
}

static void pattern(const uint8_t *data, size_t size)
{
    const struct dk_run_job run = { .job = 17,
                                    .array_job = 12,
                                    .task = size % 2 == 0 ? -1 : 5,
                                    .spec.name = dk_text_of("a/b%j"),
                                    .actor.user = dk_text_of("ann") };
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, 1 << 20);
    dk_pattern_expand((struct dk_text){ (const char *)data, (uint32_t)size }, &run,
                      dk_text_of("n1"), &out);
    DK_CHECK(out.size > 0 && out.data[out.size - 1] == '\0');
    dk_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (size < 1)
        return 0;
    fuzz_folder_make();
    if (folder < 0)
        folder = open(fuzz_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy = malloc(size);
    DK_CHECK(copy != NULL);
    size--;
    memcpy(copy, data + 1, size);
    switch (data[0] % KIND_COUNT) {
    case LEDGER:
        ledger(copy, size);
        break;
    case RECORD:
        record(copy, size);
        break;
    case DELIVERY:
        delivery(copy, size);
        break;
    default:
        pattern(copy, size);
    }
    free(copy);
    return 0;
}
