/* checkpoint.c - see checkpoint.h
 *
 * Parsing reads the members in their order, prints what it read, and compares: so there is one
 * spelling, and what was signed is what is understood. */
#include "batch/checkpoint.h"

#include "base/check.h"
#include "base/json.h"
#include "batch/hex.h"

#include <string.h>

static const char head_text[] = "{\"docket\":\"checkpoint 1\"";

static void add_text(struct dk_buf *out, const char *text)
{
    DK_CHECK(dk_buf_add_text(out, text));
}

static void add_hex(struct dk_buf *out, const char *name, const uint8_t *bytes, size_t size)
{
    add_text(out, ",\"");
    add_text(out, name);
    add_text(out, "\":\"");
    dk_hex_add(out, bytes, size);
    add_text(out, "\"");
}

static void add_number(struct dk_buf *out, const char *name, int64_t value)
{
    add_text(out, ",\"");
    add_text(out, name);
    add_text(out, "\":");
    DK_CHECK(dk_json_integer(out, value));
}

size_t dk_checkpoint_print(const struct dk_checkpoint *checkpoint,
                           char line[DK_CHECKPOINT_LINE_MAX], size_t *signed_size)
{
    const struct dk_head *head = &checkpoint->head;
    struct dk_buf out;
    size_t size;

    dk_buf_init(&out, &dk_heap, DK_CHECKPOINT_LINE_MAX);
    add_text(&out, head_text);
    add_hex(&out, "log", checkpoint->log, sizeof(checkpoint->log));
    add_number(&out, "seq", (int64_t)head->seq);
    add_number(&out, "epoch", head->epoch);
    add_number(&out, "time", head->time);
    add_hex(&out, "chain", head->chain, sizeof(head->chain));
    add_hex(&out, "digest", head->digest, sizeof(head->digest));
    add_hex(&out, "closed", head->closed, sizeof(head->closed));
    add_number(&out, "signed", checkpoint->signed_time);
    add_hex(&out, "key", checkpoint->key, sizeof(checkpoint->key));
    *signed_size = out.size;
    add_hex(&out, "signature", checkpoint->signature, sizeof(checkpoint->signature));
    add_text(&out, "}");
    size = out.size;
    memcpy(line, out.data, size);
    dk_buf_release(&out);
    return size;
}

/* --- parsing --- */

struct scan {
    const char *at, *end;
};

static bool pass(struct scan *scan, const char *text)
{
    size_t size = strlen(text);

    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, text, size) != 0)
        return false;
    scan->at += size;
    return true;
}

static bool pass_name(struct scan *scan, const char *name)
{
    return pass(scan, ",\"") && pass(scan, name) && pass(scan, "\":");
}

static bool get_hex(struct scan *scan, const char *name, uint8_t *bytes, size_t size)
{
    if (!pass_name(scan, name) || !pass(scan, "\"") || (size_t)(scan->end - scan->at) < 2 * size ||
        !dk_hex_get(scan->at, bytes, size))
        return false;
    scan->at += 2 * size;
    return pass(scan, "\"");
}

/* Leading zeros and -0 are not print's: the comparison at the end finds them. */
static bool get_number(struct scan *scan, const char *name, int64_t least, int64_t most,
                       int64_t *value)
{
    bool is_negative;
    uint64_t sum = 0;
    int digits = 0;

    if (!pass_name(scan, name))
        return false;
    is_negative = pass(scan, "-");
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++, digits++) {
        if (digits == 18)
            return false;
        sum = sum * 10 + (uint64_t)(*scan->at - '0');
    }
    *value = is_negative ? -(int64_t)sum : (int64_t)sum;
    return digits > 0 && *value >= least && *value <= most;
}

enum dk_status dk_checkpoint_parse(struct dk_checkpoint *checkpoint, const char *line, size_t size,
                                   struct dk_err *err)
{
    struct scan scan = { line, line + size };
    struct dk_head *head = &checkpoint->head;
    char again[DK_CHECKPOINT_LINE_MAX];
    int64_t seq = 0, epoch = 0;
    size_t signed_size;
    bool is_good;

    memset(checkpoint, 0, sizeof(*checkpoint));
    is_good = size < DK_CHECKPOINT_LINE_MAX && pass(&scan, head_text) &&
              get_hex(&scan, "log", checkpoint->log, sizeof(checkpoint->log)) &&
              get_number(&scan, "seq", 1, INT64_MAX, &seq) &&
              get_number(&scan, "epoch", 0, UINT32_MAX, &epoch) &&
              get_number(&scan, "time", INT64_MIN, INT64_MAX, &head->time) &&
              get_hex(&scan, "chain", head->chain, sizeof(head->chain)) &&
              get_hex(&scan, "digest", head->digest, sizeof(head->digest)) &&
              get_hex(&scan, "closed", head->closed, sizeof(head->closed)) &&
              get_number(&scan, "signed", INT64_MIN, INT64_MAX, &checkpoint->signed_time) &&
              get_hex(&scan, "key", checkpoint->key, sizeof(checkpoint->key)) &&
              get_hex(&scan, "signature", checkpoint->signature, sizeof(checkpoint->signature)) &&
              pass(&scan, "}") && scan.at == scan.end;
    head->seq = (uint64_t)seq;
    head->epoch = (uint32_t)epoch;
    if (is_good)
        is_good = dk_checkpoint_print(checkpoint, again, &signed_size) == size &&
                  memcmp(again, line, size) == 0;
    return is_good ? DK_OK
                   : dk_fail(err, DK_INVALID, "'%.*s...' is no checkpoint as docket writes them",
                             (int)(size < 40 ? size : 40), line);
}

/* --- verdicts --- */

const char *dk_verdict_word(enum dk_verdict verdict)
{
    static const char *const words[] = {
#define X(name, word, meaning) word,
        DK_VERDICT_MAP(X)
#undef X
    };

    return words[verdict];
}

const char *dk_verdict_meaning(enum dk_verdict verdict)
{
    static const char *const meanings[] = {
#define X(name, word, meaning) meaning,
        DK_VERDICT_MAP(X)
#undef X
    };

    return meanings[verdict];
}

/* Few, and mostly in order already. */
static void sort(struct dk_claim *claims, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct dk_claim claim = claims[i];
        size_t k = i;

        for (; k > 0 && claims[k - 1].checkpoint.head.seq > claim.checkpoint.head.seq; k--)
            claims[k] = claims[k - 1];
        claims[k] = claim;
    }
}

void dk_witness_init(struct dk_witness *witness, struct dk_claim *claims, size_t count,
                     const struct dk_alloc *alloc)
{
    memset(witness, 0, sizeof(*witness));
    dk_trail_init(&witness->trail, alloc);
    witness->claims = claims;
    witness->count = count;
    sort(claims, count);
}

void dk_witness_release(struct dk_witness *witness)
{
    dk_trail_release(&witness->trail);
}

bool dk_witness_is_done(const struct dk_witness *witness)
{
    return witness->next == witness->count;
}

/* Not known to be of another one. */
static bool is_of_log(const struct dk_witness *witness, const struct dk_claim *claim)
{
    const struct dk_trail *trail = &witness->trail;

    return !trail->has_log ||
           memcmp(trail->log, claim->checkpoint.log, sizeof(claim->checkpoint.log)) == 0;
}

static bool heads_equal(const struct dk_head *a, const struct dk_head *b)
{
    return a->seq == b->seq && a->epoch == b->epoch && a->time == b->time &&
           memcmp(a->chain, b->chain, sizeof(a->chain)) == 0 &&
           memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
           memcmp(a->closed, b->closed, sizeof(a->closed)) == 0;
}

/* Of another log, else `verdict`; a verdict about the signature stays. */
static void decide(struct dk_witness *witness, enum dk_verdict verdict)
{
    struct dk_claim *claim = &witness->claims[witness->next++];

    if (claim->verdict == DK_VERDICT_OPEN)
        claim->verdict = is_of_log(witness, claim) ? verdict : DK_VERDICT_OTHER_LOG;
}

void dk_witness_batch(struct dk_witness *witness, const struct dk_log_batch *batch)
{
    struct dk_head head = { 0 };
    uint64_t last = batch->seq_first + batch->count - 1;

    if (dk_witness_is_done(witness))
        return;
    if (!witness->broken)
        witness->broken = dk_trail_batch(&witness->trail, batch, NULL) != DK_OK;
    if (witness->claims[witness->next].checkpoint.head.seq > last)
        return;
    dk_trail_head(&witness->trail, &head);
    while (!dk_witness_is_done(witness) &&
           witness->claims[witness->next].checkpoint.head.seq <= last)
        decide(witness, !witness->broken &&
                                heads_equal(&head, &witness->claims[witness->next].checkpoint.head)
                            ? DK_VERDICT_HOLDS
                            : DK_VERDICT_REWRITTEN);
}

void dk_witness_end(struct dk_witness *witness, bool readable)
{
    enum dk_verdict verdict = readable ? DK_VERDICT_TRUNCATED : DK_VERDICT_DAMAGED;

    while (!dk_witness_is_done(witness))
        decide(witness, witness->broken ? DK_VERDICT_REWRITTEN : verdict);
}
