/* query.c - questions: which there are, what each may ask, and who answers (decision 0010)
 *
 * In the server's thread: finding the route, and what costs next to nothing (orders and blobs for
 * agents). Everything else goes to a worker, once the views are as far as the question wants them.
 */
#include "projections/query.h"

#include "base/check.h"
#include "base/json.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS_DEFAULT = 10000, WAIT_MS_MAX = 600000, STARTS_MAX = 10000 };
#define ANSWER_MAX ((size_t)1 << 31)
#define COLUMNS_MAX 256u

struct route {
    const char *path;
    unsigned takes;
    const char *type; /* of the answer; NULL: by format */
    dk_answer *answer;
};

static const struct route routes[] = {
    { "/v1/status", 0, NULL, dk_answer_status },
    { "/v1/jobs", DK_ASK_JOBS | DK_ASK_LIST | DK_ASK_AT | DK_ASK_STARTS, NULL, dk_answer_jobs },
    { "/v1/history", DK_ASK_JOBS | DK_ASK_LIST, NULL, dk_answer_history },
    { "/v1/usage", DK_ASK_USAGE | DK_ASK_LIST, NULL, dk_answer_usage_of },
    { "/v1/nodes", DK_ASK_SITE | DK_ASK_LIST | DK_ASK_AT, NULL, dk_answer_nodes },
    { "/v1/partitions", DK_ASK_SITE | DK_ASK_LIST | DK_ASK_AT, NULL, dk_answer_partitions },
    { "/v1/config", DK_ASK_AT, NULL, dk_answer_config },
    { "/v1/config/history", DK_ASK_LIST, NULL, dk_answer_config_history },
    { "/v1/events", DK_ASK_EVENTS, "application/x-ndjson", dk_answer_events },
    { "/v1/explain", DK_ASK_JOB | DK_ASK_AT, NULL, dk_answer_explain_of },
    { "/v1/priority", DK_ASK_JOBS | DK_ASK_LIST, NULL, dk_answer_priority_of },
    { "/v1/test", DK_ASK_POST, NULL, dk_answer_test_of },
    { "/v1/script", DK_ASK_JOB | DK_ASK_WHAT, "application/octet-stream", dk_answer_script },
    { "/v1/stats", 0, NULL, dk_answer_stats },
    { "/metrics", 0, DK_METRICS_TYPE, dk_answer_metrics },
};

static const struct route *route_of(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    }
    return NULL;
}

/* --- shared --- */

bool dk_ask_is_operator(struct dk_ask *ask)
{
    struct dk_peer peer = dk_http_peer(ask->exchange);
    struct passwd entry, *found = NULL;
    char buffer[4096];

    if (peer.uid == 0 || (peer.uid >= 0 && peer.uid == ask->projector->own_uid))
        return true;
    if (peer.uid < 0 || getpwuid_r((uid_t)peer.uid, &entry, buffer, sizeof(buffer), &found) != 0 ||
        found == NULL)
        return false;
    return dk_live_is_operator(ask->projector->live, dk_text_of(found->pw_name));
}

bool dk_in_list(const char *list, struct dk_text word)
{
    if (list == NULL)
        return true;
    while (*list != '\0') {
        size_t size = strcspn(list, ",");

        if (size == word.size && memcmp(list, word.data, size) == 0)
            return true;
        list += size + (list[size] == ',');
    }
    return false;
}

void dk_writer_begin(struct dk_table_writer *writer, struct dk_buf *out, bool tsv, int64_t seq)
{
    *writer = (struct dk_table_writer){ .out = out, .tsv = tsv };
    dk_buf_init(&writer->cell, &dk_heap, ANSWER_MAX);
    if (tsv)
        return;
    (void)dk_buf_add_text(out, "{\"seq\":");
    (void)dk_json_integer(out, seq);
    (void)dk_buf_add_text(out, ",\"rows\":[");
}

static void end_row(struct dk_table_writer *writer)
{
    if (writer->any_row)
        (void)dk_buf_add(writer->out, writer->tsv ? "\n" : "}", 1);
}

void dk_writer_row(struct dk_table_writer *writer)
{
    end_row(writer);
    if (!writer->tsv)
        (void)dk_buf_add_text(writer->out, writer->any_row ? ",\n{" : "\n{");
    writer->any_row = true;
    writer->any_cell = false;
}

/* As it is, but for the three characters that would end a cell or a line. */
static void add_raw(struct dk_buf *out, const uint8_t *data, size_t size)
{
    size_t from = 0;

    for (size_t i = 0; i < size; i++) {
        const char *escaped = data[i] == '\t'   ? "\\t"
                              : data[i] == '\n' ? "\\n"
                              : data[i] == '\\' ? "\\\\"
                                                : NULL;

        if (escaped == NULL)
            continue;
        (void)dk_buf_add(out, data + from, i - from);
        (void)dk_buf_add(out, escaped, 2);
        from = i + 1;
    }
    (void)dk_buf_add(out, data + from, size - from);
}

void dk_writer_cell(struct dk_table_writer *writer, const char *name, bool is_number)
{
    struct dk_buf *out = writer->out, *cell = &writer->cell;

    if (writer->tsv) {
        if (writer->any_cell)
            (void)dk_buf_add(out, "\t", 1);
        add_raw(out, cell->data, cell->size);
    } else {
        if (writer->any_cell)
            (void)dk_buf_add(out, ",", 1);
        (void)dk_buf_add(out, "\"", 1);
        (void)dk_buf_add_text(out, name);
        (void)dk_buf_add(out, "\":", 2);
        if (cell->size == 0)
            (void)dk_buf_add_text(out, is_number ? "null" : "\"\"");
        else if (is_number)
            (void)dk_buf_add(out, cell->data, cell->size);
        else
            (void)dk_json_text(out,
                               (struct dk_text){ (const char *)cell->data, (uint32_t)cell->size });
    }
    writer->any_cell = true;
    dk_buf_clear(cell);
}

void dk_writer_end(struct dk_table_writer *writer)
{
    end_row(writer);
    if (!writer->tsv)
        (void)dk_buf_add_text(writer->out, writer->any_row ? "\n]}\n" : "]}\n");
    dk_buf_release(&writer->cell);
}

/* --- parameters --- */

static enum dk_status take_number(const char *name, const char *value, int64_t most,
                                  int64_t *number, struct dk_err *err)
{
    char *end;

    *number = strtoll(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || *number > most)
        return dk_fail(err, DK_INVALID, "%s is '%s': a whole number from 0 to %lld", name, value,
                       (long long)most);
    return DK_OK;
}

/* job=17 or job=17_3 */
static enum dk_status take_job(struct dk_ask *ask, const char *value)
{
    char *end;

    ask->job = strtoll(value, &end, 10);
    ask->task = -1;
    if (value[0] >= '0' && value[0] <= '9' && *end == '_' && end[1] >= '0' && end[1] <= '9')
        ask->task = (int32_t)strtol(end + 1, &end, 10);
    if (value[0] < '1' || value[0] > '9' || *end != '\0')
        return dk_fail(&ask->err, DK_INVALID, "job is '%s': an id like 17, or 17_3", value);
    return DK_OK;
}

/* A column may be asked for twice, but not a thousand times: the answer is held in memory. */
static enum dk_status check_columns(const char *fields, struct dk_err *err)
{
    uint32_t count = 1;

    for (; *fields != '\0'; fields++)
        count += *fields == ',';
    return count <= COLUMNS_MAX
               ? DK_OK
               : dk_fail(err, DK_INVALID, "fields names %u columns, not at most %u", count,
                         COLUMNS_MAX);
}

static bool take_common(struct dk_ask *ask, unsigned takes, const char *name, const char *value,
                        enum dk_status *status)
{
    int64_t ignored;

    *status = DK_OK;
    if (strcmp(name, "after_seq") == 0 || strcmp(name, "wait_ms") == 0) {
        *status = take_number(name, value, INT64_MAX, &ignored, &ask->err);
    } else if ((takes & DK_ASK_LIST) != 0 && strcmp(name, "fields") == 0) {
        ask->fields = value;
        *status = check_columns(value, &ask->err);
    } else if ((takes & DK_ASK_LIST) != 0 && strcmp(name, "format") == 0) {
        ask->tsv = strcmp(value, "tsv") == 0;
        if (!ask->tsv && strcmp(value, "json") != 0)
            *status = dk_fail(&ask->err, DK_INVALID, "format is '%s', not one of json, tsv", value);
    } else if ((takes & DK_ASK_AT) != 0 && strcmp(name, "at_seq") == 0) {
        *status = take_number(name, value, INT64_MAX, &ask->at_seq, &ask->err);
        ask->has_at = true;
    } else if ((takes & DK_ASK_AT) != 0 && strcmp(name, "at") == 0) {
        ask->has_at = true;
        if (!dk_time_parse(value, &ask->at_time))
            *status =
                dk_fail(&ask->err, DK_INVALID,
                        "at is '%s': YYYY-MM-DD[THH:MM[:SS]] or microseconds since 1970", value);
    } else {
        return false;
    }
    return true;
}

static bool take_special(struct dk_ask *ask, unsigned takes, const char *name, const char *value,
                         enum dk_status *status)
{
    const struct {
        unsigned takes;
        const char *name;
        const char **text;
    } texts[] = {
        { DK_ASK_SITE, "node", &ask->nodes },   { DK_ASK_SITE, "partition", &ask->partitions },
        { DK_ASK_SITE, "state", &ask->states }, { DK_ASK_EVENTS, "type", &ask->types },
        { DK_ASK_USAGE, "by", &ask->by },       { DK_ASK_WHAT, "what", &ask->what },
    };

    *status = DK_OK;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if ((takes & texts[i].takes) != 0 && strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return true;
        }
    }
    if ((takes & (DK_ASK_JOB | DK_ASK_EVENTS)) != 0 && strcmp(name, "job") == 0)
        *status = take_job(ask, value);
    else if ((takes & DK_ASK_EVENTS) != 0 && strcmp(name, "after") == 0)
        *status = take_number(name, value, INT64_MAX, &ask->after, &ask->err);
    else if ((takes & DK_ASK_EVENTS) != 0 && strcmp(name, "limit") == 0)
        *status = take_number(name, value, 1000000, &ask->limit, &ask->err);
    else if ((takes & DK_ASK_STARTS) != 0 && strcmp(name, "starts") == 0)
        *status = take_number(name, value, STARTS_MAX, &ask->starts, &ask->err);
    else if ((takes & DK_ASK_USAGE) != 0 &&
             (strcmp(name, "since") == 0 || strcmp(name, "until") == 0))
        (void)dk_job_filter_take(&ask->filter, name, value, &ask->arena, status, &ask->err);
    else
        return false;
    return true;
}

static enum dk_status take_parameters(struct dk_ask *ask, const struct route *route)
{
    const char *name;

    for (uint32_t i = 0; (name = dk_http_param_name(ask->exchange, i)) != NULL; i++) {
        const char *value = dk_http_param(ask->exchange, name);
        enum dk_status status = DK_OK;
        bool known = take_common(ask, route->takes, name, value, &status) ||
                     take_special(ask, route->takes, name, value, &status);

        if (!known && (route->takes & DK_ASK_JOBS) != 0)
            known = dk_job_filter_take(&ask->filter, name, value, &ask->arena, &status, &ask->err);
        if (!known)
            return dk_fail(&ask->err, DK_INVALID, "'%s' is no parameter of %s", name, route->path);
        if (status != DK_OK)
            return status;
    }
    if (ask->starts > 0 && ask->has_at)
        return dk_fail(&ask->err, DK_INVALID, "starts are of now: not together with at, at_seq");
    if ((route->takes & DK_ASK_JOB) != 0 && ask->job == 0)
        return dk_fail(&ask->err, DK_INVALID, "%s needs job=ID", route->path);
    return DK_OK;
}

/* --- answering --- */

static void fail(struct dk_ask *ask, enum dk_status status)
{
    static const struct {
        enum dk_status status;
        int http;
        const char *reason;
    } answers[] = {
        { DK_INVALID, 400, "INVALID" },
        { DK_NOT_FOUND, 404, "NOT_FOUND" },
        { DK_TOO_LARGE, 413, "TOO_LARGE" },
        { DK_NOT_PERMITTED, 403, "NOT_PERMITTED" },
        { DK_BUSY, 503, "BUSY" },
        { DK_END, 410, "ERASED" },
        { DK_UNKNOWN_SCHEMA, 400, "INVALID" },
        { DK_UNSUPPORTED, 400, "INVALID" },
    };

    (void)atomic_fetch_add(&ask->projector->failed, 1);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].status == status) {
            dk_http_fail(ask->exchange, answers[i].http, answers[i].reason, "%s", ask->err.text);
            return;
        }
    }
    dk_http_fail(ask->exchange, 500, "INTERNAL", "%s", ask->err.text);
}

static void answer(struct dk_projector *projector, struct dk_http_exchange *exchange)
{
    const struct route *route = route_of(dk_http_path(exchange));
    struct dk_ask ask = { .projector = projector, .exchange = exchange, .task = -1 };
    struct dk_buf body;
    int64_t seq = 0;
    enum dk_status status;

    dk_arena_init(&ask.arena, &dk_heap);
    dk_buf_init(&body, &dk_heap, ANSWER_MAX);
    status = take_parameters(&ask, route);
    if (status == DK_OK)
        status = route->answer(&ask, &body, &seq);
    if (status == DK_OK)
        dk_http_answer(exchange, 200,
                       route->type != NULL ? route->type
                       : ask.tsv           ? "text/tab-separated-values"
                                           : "application/json",
                       seq, &body);
    else
        fail(&ask, status);
    dk_buf_release(&body);
    dk_arena_release(&ask.arena);
}

static void after_wait(struct dk_projector *projector, struct dk_http_exchange *exchange,
                       bool timed_out)
{
    const char *path = dk_http_path(exchange), *wanted = dk_http_param(exchange, "after_seq");

    if (timed_out && strcmp(path, "/v1/events") != 0) {
        (void)atomic_fetch_add(&projector->failed, 1);
        dk_http_fail(exchange, 503, "BUSY", "the views are at seq %lld%s%s; ask again",
                     (long long)dk_live_seq(projector->live),
                     wanted != NULL ? ", not yet at " : ", and still reading the log",
                     wanted != NULL ? wanted : "");
        return;
    }
    dk_workers_add(projector->workers, exchange, answer);
}

static int wait_of(struct dk_http_exchange *exchange, int fallback)
{
    const char *text = dk_http_param(exchange, "wait_ms");
    int64_t wait = text != NULL ? strtoll(text, NULL, 10) : fallback;

    return wait < 0 ? 0 : wait > WAIT_MS_MAX ? WAIT_MS_MAX : (int)wait;
}

/* --- for agents: in the server's own thread --- */

static void answer_orders(struct dk_projector *projector, struct dk_http_exchange *exchange,
                          bool timed_out)
{
    const char *name = dk_http_param(exchange, "node"), *after = dk_http_param(exchange, "after");
    int64_t from = after != NULL ? strtoll(after, NULL, 10) : 0, seq;
    int64_t node = name != NULL ? dk_live_node_find(projector->live, dk_text_of(name)) : -1;
    int wait = wait_of(exchange, 0);
    struct dk_peer peer = dk_http_peer(exchange);
    enum dk_status status;
    struct dk_buf body;
    struct dk_err err;

    if (peer.uid != 0 && peer.uid != projector->own_uid) {
        dk_http_fail(exchange, 403, "NOT_PERMITTED", "orders are for agents");
        return;
    }
    if (atomic_load(&projector->is_away)) {
        dk_http_fail(exchange, 503, "BUSY",
                     "the log's brokers do not answer: ask another projector");
        return;
    }
    if (node < 0) {
        dk_http_fail(exchange, 404, "NOT_FOUND", "no node '%s' has registered",
                     name != NULL ? name : "");
        return;
    }
    dk_buf_init(&body, &dk_heap, ANSWER_MAX);
    status = dk_live_orders(projector->live, (uint32_t)node, from, &body, &seq, &err);
    if (status == DK_END || (status == DK_AGAIN && wait > 0 && !timed_out)) {
        dk_buf_release(&body);
        if (status == DK_END)
            dk_http_fail(exchange, 410, "NOT_FOUND", "%s", err.text);
        else
            dk_waits_node(projector->waits, exchange, (uint32_t)node, wait, answer_orders);
        return;
    }
    dk_http_answer(exchange, 200, "application/vnd.docket.orders", seq, &body);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool digest_of(const char *hex, uint8_t digest[DK_VAULT_DIGEST_SIZE])
{
    bool good = strlen(hex) == 2 * DK_VAULT_DIGEST_SIZE;

    for (size_t i = 0; good && i < DK_VAULT_DIGEST_SIZE; i++) {
        int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

        good = high >= 0 && low >= 0;
        digest[i] = (uint8_t)(high * 16 + low);
    }
    return good;
}

static bool uid_of(const char *text, int32_t *uid)
{
    char *end;
    long long value = text != NULL ? strtoll(text, &end, 10) : -1;

    *uid = (int32_t)value;
    return value >= 0 && value <= INT32_MAX && *end == '\0';
}

static void answer_blob(struct dk_projector *projector, struct dk_http_exchange *exchange,
                        const char *hex)
{
    struct dk_peer peer = dk_http_peer(exchange);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    struct dk_buf body;
    struct dk_err err;
    enum dk_status status;
    int32_t uid;

    if (peer.uid != 0 && peer.uid != projector->own_uid) {
        dk_http_fail(exchange, 403, "NOT_PERMITTED", "blobs are for agents");
        return;
    }
    if (!digest_of(hex, digest)) {
        dk_http_fail(exchange, 400, "INVALID", "'%s' is no digest of 64 hexadecimal digits", hex);
        return;
    }
    if (!uid_of(dk_http_param(exchange, "uid"), &uid)) {
        dk_http_fail(exchange, 400, "INVALID", "whose it is is missing: uid=NUMBER");
        return;
    }
    dk_buf_init(&body, &dk_heap, DK_VAULT_SIZE_MAX);
    status = dk_vault_get(projector->vault, uid, digest, &body, &err);
    if (status == DK_OK) {
        dk_http_answer(exchange, 200, "application/octet-stream", 0, &body);
        return;
    }
    dk_buf_release(&body);
    if (status != DK_CORRUPT && projector->replica != NULL &&
        dk_replica_is_awaited(projector->replica, digest)) {
        dk_http_fail(exchange, 503, "BUSY", "it has not come here yet");
        return;
    }
    dk_http_fail(exchange,
                 status == DK_NOT_FOUND ? 404
                 : status == DK_END     ? 410
                                        : 500,
                 status == DK_NOT_FOUND ? "NOT_FOUND"
                 : status == DK_END     ? "ERASED"
                                        : "INTERNAL",
                 "%s", err.text);
}

/* --- the server's handler --- */

static bool method_fits(const struct route *route, const char *method)
{
    bool post = route != NULL && (route->takes & DK_ASK_POST) != 0;

    return strcmp(method, post ? "POST" : "GET") == 0;
}

/* When the question wants the views further than they are, it waits for them; an events question
 * waits for the first event behind `after`. */
static void queue_question(struct dk_projector *projector, struct dk_http_exchange *exchange)
{
    const char *after_seq = dk_http_param(exchange, "after_seq");
    bool events = strcmp(dk_http_path(exchange), "/v1/events") == 0;
    const char *after = events ? dk_http_param(exchange, "after") : NULL;
    int64_t seq = after_seq != NULL ? strtoll(after_seq, NULL, 10) - 1 : 0;

    if (after != NULL && strtoll(after, NULL, 10) > seq)
        seq = strtoll(after, NULL, 10);
    dk_waits_seq(projector->waits, exchange, seq, wait_of(exchange, events ? 0 : WAIT_MS_DEFAULT),
                 after_wait);
}

/* Of anybody: who asks is known, or came by the socket. */
static void handle(struct dk_projector *projector, struct dk_http_exchange *exchange)
{
    static const char blobs[] = "/v1/blobs/";
    const char *path = dk_http_path(exchange), *method = dk_http_method(exchange);
    const struct route *route = route_of(path);
    bool orders = strcmp(path, "/v1/dispatch") == 0;
    bool blob = strncmp(path, blobs, sizeof(blobs) - 1) == 0;

    if (route == NULL && !orders && !blob) {
        dk_http_fail(exchange, 404, "NOT_FOUND", "there is no '%s' here%s", path,
                     strcmp(path, "/v1/requests") == 0 ? ": requests go to control.sock" : "");
    } else if (!method_fits(route, method)) {
        dk_http_fail(exchange, 405, "INVALID", "'%s' takes %s, not %s", path,
                     route != NULL && (route->takes & DK_ASK_POST) != 0 ? "POST" : "GET", method);
    } else if (!atomic_load(&projector->caught_up) && (orders || blob)) {
        dk_http_fail(exchange, 503, "BUSY", "the log is still being read");
    } else if (orders) {
        answer_orders(projector, exchange, false);
    } else if (blob) {
        answer_blob(projector, exchange, path + sizeof(blobs) - 1);
    } else if (strcmp(path, "/v1/status") == 0) {
        dk_workers_add(projector->workers, exchange, answer);
    } else {
        queue_question(projector, exchange);
    }
}

/* dk_prover_done */
static void take_proven(void *context, struct dk_http_exchange *exchange,
                        const struct dk_proven *proven)
{
    struct dk_projector *projector = context;

    if (proven->proof == DK_PROOF_GOOD) {
        handle(projector, exchange);
        return;
    }
    (void)atomic_fetch_add(&projector->failed, 1);
    dk_http_fail(exchange, 401, dk_proof_reason(proven->proof), "%s", proven->why);
}

/* Numbers without names are for everybody: those who watch have no MUNGE. */
static bool is_public(const char *path)
{
    return strcmp(path, "/metrics") == 0 || strcmp(path, "/v1/status") == 0;
}

void dk_query_handle(void *context, struct dk_http_exchange *exchange)
{
    struct dk_projector *projector = context;

    (void)atomic_fetch_add(&projector->questions, 1);
    if (dk_http_is_remote(exchange) && !is_public(dk_http_path(exchange)))
        dk_prover_prove(projector->prover, exchange, take_proven, projector);
    else
        handle(projector, exchange);
}
