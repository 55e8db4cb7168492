/* fake_cluster.c DIR - the two sockets of a cluster, with answers that a test has written
 *
 * A question about /v1/NAME is answered from DIR/NAME.tsv (a line of column names, then rows, tabs
 * between cells; the columns that were asked for) or, when not format=tsv, from DIR/NAME.json.
 * Slashes in NAME are dashes. What was asked is appended to DIR/asked, requests as lines of JSON to
 * DIR/requests; they are accepted, but for jobs from 900 on, which do not exist. Ends with its
 * standard input.
 */
#define _GNU_SOURCE
#include "base/check.h"
#include "event/request.h"
#include "net/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *dir;
static int64_t seq = 1000;

static void append(const char *name, const char *text)
{
    char path[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "a");
    DK_CHECK(file != NULL);
    (void)fprintf(file, "%s\n", text);
    (void)fclose(file);
}

static FILE *open_answer(const char *path, const char *suffix)
{
    char name[4096];
    size_t used = (size_t)snprintf(name, sizeof(name), "%s/", dir);

    (void)snprintf(name + used, sizeof(name) - used, "%s.%s", path + strlen("/v1/"), suffix);
    for (char *at = name + used; *at != '\0'; at++)
        if (*at == '/')
            *at = '-';
    return fopen(name, "r");
}

/* The cell of a line under the name in the head; "" when there is none. */
static void add_cell(const char *head, const char *line, const char *name, size_t size,
                     struct dk_buf *out)
{
    for (;;) {
        size_t head_size = strcspn(head, "\t\n"), line_size = strcspn(line, "\t\n");

        if (head_size == size && strncmp(head, name, size) == 0) {
            DK_CHECK(dk_buf_add(out, line, line_size));
            return;
        }
        if (head[head_size] != '\t')
            return;
        head += head_size + 1;
        line += line_size + (line[line_size] == '\t');
    }
}

static void answer_table(FILE *file, const char *fields, struct dk_buf *out)
{
    char *head = NULL, *line = NULL;
    size_t head_room = 0, line_room = 0;

    DK_CHECK(getline(&head, &head_room, file) > 0);
    while (getline(&line, &line_room, file) > 0) {
        for (const char *name = fields;; name++) {
            size_t size = strcspn(name, ",");

            add_cell(head, line, name, size, out);
            name += size;
            DK_CHECK(dk_buf_add(out, *name == ',' ? "\t" : "\n", 1));
            if (*name == '\0')
                break;
        }
    }
    free(head);
    free(line);
}

static void ask(void *context, struct dk_http_exchange *exchange)
{
    const char *path = dk_http_path(exchange), *format = dk_http_param(exchange, "format"), *name;
    bool is_table = format != NULL && strcmp(format, "tsv") == 0;
    FILE *file = open_answer(path, is_table ? "tsv" : "json");
    char target[4096], text[4096];
    struct dk_buf body;
    size_t size;

    (void)context;
    (void)snprintf(target, sizeof(target), "%s", path);
    for (uint32_t i = 0; (name = dk_http_param_name(exchange, i)) != NULL; i++) {
        size_t used = strlen(target);

        (void)snprintf(target + used, sizeof(target) - used, " %s=%s", name,
                       dk_http_param(exchange, name));
    }
    append("asked", target);
    if (file == NULL) {
        dk_http_fail(exchange, 400, "INVALID", "nothing is known of '%s'", path);
        return;
    }
    dk_buf_init(&body, &dk_heap, 1 << 24);
    if (is_table)
        answer_table(file, dk_http_param(exchange, "fields"), &body);
    else
        while ((size = fread(text, 1, sizeof(text), file)) > 0)
            DK_CHECK(dk_buf_add(&body, text, size));
    (void)fclose(file);
    dk_http_answer(exchange, 200, is_table ? "text/tab-separated-values" : "application/json", seq,
                   &body);
}

static int64_t job_of(const struct dk_request *request)
{
    switch ((int)request->type) {
    case DK_REQUEST_CANCEL_JOB:
        return request->cancel_job.job;
    case DK_REQUEST_UPDATE_JOB:
        return request->update_job.job;
    case DK_REQUEST_HOLD_JOB:
        return request->hold_job.job;
    case DK_REQUEST_RELEASE_JOB:
        return request->release_job.job;
    case DK_REQUEST_REQUEUE_JOB:
        return request->requeue_job.job;
    case DK_REQUEST_SIGNAL_JOB:
        return request->signal_job.job;
    default:
        return 0;
    }
}

static void take(void *context, struct dk_http_exchange *exchange)
{
    size_t size;
    const uint8_t *at = dk_http_body(exchange, &size), *end = at + size;
    struct dk_arena arena;
    struct dk_buf body, line;
    char text[256];
    bool is_first = true;

    (void)context;
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&body, &dk_heap, 1 << 24);
    dk_buf_init(&line, &dk_heap, 1 << 24);
    (void)snprintf(text, sizeof(text), "{\"seq\":%lld,\"results\":[", (long long)++seq);
    DK_CHECK(dk_buf_add_text(&body, text));
    for (; at < end; is_first = false) {
        uint32_t one = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
        struct dk_request request;
        int64_t job;

        DK_CHECK(dk_request_decode(at + 4, one, &arena, &request, NULL) == DK_OK);
        request.meta.key.size = 0;
        request.meta.time = 0;
        dk_buf_clear(&line);
        DK_CHECK(dk_request_print(&request, &line) && dk_buf_add(&line, "", 1));
        append("requests", (const char *)line.data);
        job = job_of(&request);
        if (job >= 900)
            (void)snprintf(text, sizeof(text),
                           "%s{\"result\":\"rejected\",\"seq\":%lld,\"reason\":\"NOT_FOUND\","
                           "\"detail\":\"there is no job %lld\"}",
                           is_first ? "" : ",", (long long)seq, (long long)job);
        else
            (void)snprintf(text, sizeof(text), "%s{\"result\":\"accepted\",\"seq\":%lld}",
                           is_first ? "" : ",", (long long)seq);
        DK_CHECK(dk_buf_add_text(&body, text));
        at += 4 + one;
    }
    DK_CHECK(dk_buf_add_text(&body, "]}"));
    dk_http_answer(exchange, 200, "application/json", 0, &body);
    dk_buf_release(&line);
    dk_arena_release(&arena);
}

int main(int argc, char **argv)
{
    char query[4096], control[4096], byte;
    struct dk_http_options options = { .mode = 0600 };
    struct dk_http_server *servers[2];

    DK_CHECK(argc == 2);
    dir = argv[1];
    (void)snprintf(query, sizeof(query), "%s/run/query.sock", dir);
    (void)snprintf(control, sizeof(control), "%s/run/control.sock", dir);
    options.socket = query;
    options.handler = ask;
    DK_CHECK(dk_http_start(&servers[0], &options, NULL) == DK_OK);
    options.socket = control;
    options.handler = take;
    DK_CHECK(dk_http_start(&servers[1], &options, NULL) == DK_OK);
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR)
        ;
    dk_http_stop(servers[0]);
    dk_http_stop(servers[1]);
    return 0;
}
