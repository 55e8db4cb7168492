/* cmd_controllers.c - docket controllers: who leads, who stands by, and how leading went so far
 *
 * Each controller is asked by itself, all at the same time, since one that hangs or is cut off has
 * to be seen beside the others. What it says of itself is GET /v1/status; the epochs are the log's
 * ControllerStarted events, by the projector, looked for backwards from the newest event. */
#include "base/check.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/print.h"
#include "net/address.h"
#include "net/client.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTROLLERS_MAX = 64,
    ADDRESS_SIZE = DK_PLACE_PATH_MAX + 128,
    ASK_MS = 3000,
    EPOCHS_MAX = 1000,
    LOOK_EVENTS = 200000,      /* a question of the projector looks at so many at most */
    LOOK_EVENTS_MAX = 10000000 /* enough: what is older is in the log for `docket log cat` */
};

struct controllers_options {
    struct cli_common common;
    int64_t epochs;
};

const struct cli_option cli_controllers_options[] = {
    { "--epochs", CLI_NUMBER, "N", offsetof(struct controllers_options, epochs), "5", 0, EPOCHS_MAX,
      "show the newest N epochs: who led, from when, for how long" },
    { "--no-header", CLI_FLAG, NULL, offsetof(struct controllers_options, common.no_header), NULL,
      0, 0, "without the lines of titles" },
    CLI_COLOR_OPTION(controllers_options),
    CLI_JSON_OPTION(controllers_options),
    CLI_DIR_OPTION(controllers_options),
    { 0 },
};

struct controller {
    char address[ADDRESS_SIZE];
    const struct dk_munge *munge;
    pthread_t thread;
    bool is_asked, is_there;
    char role[24], host[256], version[64];
    int64_t pid, epoch, seq, lag_us, role_since, started;
    struct dk_buf said; /* its own words */
    struct dk_err err;  /* unless is_there */
};

struct epoch {
    int64_t epoch, seq, time;
    char host[256], build[129];
};

struct report {
    struct controller controllers[CONTROLLERS_MAX];
    uint32_t count;
    const struct controller *leader; /* of the newest epoch; NULL: none */
    struct epoch *epochs;            /* newest first */
    uint32_t epochs_count, epochs_max;
    int64_t looked_from; /* the epochs of events from this one on are known */
};

/* --- which there are --- */

static void add_address(struct report *report, const char *address)
{
    if (report->count < CONTROLLERS_MAX)
        (void)snprintf(report->controllers[report->count++].address, ADDRESS_SIZE, "%s", address);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_socket(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return size > 5 && strcmp(entry->d_name + size - 5, ".sock") == 0;
}

/* Standbys of the same folder, which has one control.sock. */
static void add_standbys(struct report *report, const struct dk_place *place)
{
    char folder[DK_PLACE_PATH_MAX + 64], path[ADDRESS_SIZE];
    struct dirent **entries;
    int count;

    dk_place_path(place, "run/controllers", folder);
    count = scandir(folder, &entries, is_socket, by_name);
    for (int i = 0; i < count; i++) {
        (void)snprintf(path, sizeof(path), "%.*s/%.40s", DK_PLACE_PATH_MAX, folder,
                       entries[i]->d_name);
        add_address(report, path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void find_controllers(struct report *report, const struct dk_place *place)
{
    char address[ADDRESS_SIZE];
    const char *list = place->controllers;

    while (dk_address_next(&list, address, sizeof(address)))
        add_address(report, address);
    if (report->count == 0) {
        add_address(report, place->control);
        add_standbys(report, place);
    }
    for (uint32_t i = 0; i < report->count; i++) {
        report->controllers[i].munge = &place->munge;
        dk_buf_init(&report->controllers[i].said, &dk_heap, 1 << 20);
    }
}

/* --- what they say --- */

static void take_status(struct controller *controller)
{
    static const struct {
        const char *name;
        size_t offset, size; /* of a text; 0: a number */
    } fields[] = {
#define TEXT(name) { #name, offsetof(struct controller, name), sizeof(controller->name) }
#define NUMBER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct controller, name), 0                                                \
    }
        TEXT(role),  TEXT(host),     TEXT(version),      NUMBER(pid),     NUMBER(epoch),
        NUMBER(seq), NUMBER(lag_us), NUMBER(role_since), NUMBER(started),
#undef TEXT
#undef NUMBER
    };
    struct dk_json json;
    char key[32];

    dk_json_begin(&json, controller->said.data, controller->said.size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        size_t at = 0;

        while (at < sizeof(fields) / sizeof(fields[0]) && strcmp(fields[at].name, key) != 0)
            at++;
        if (at == sizeof(fields) / sizeof(fields[0]))
            dk_json_skip(&json);
        else if (fields[at].size > 0)
            dk_json_take_text(&json, (char *)controller + fields[at].offset, fields[at].size);
        else
            *(int64_t *)(void *)((char *)controller + fields[at].offset) =
                dk_json_take_number(&json);
    }
    controller->is_there = !json.bad;
    if (json.bad)
        (void)dk_fail(&controller->err, DK_IO, "'%s' answers what is no status",
                      controller->address);
}

static void *ask(void *argument)
{
    struct controller *controller = argument;
    struct dk_client *client = NULL;
    struct dk_reply reply = { 0 };
    enum dk_status status = dk_client_open(&client, controller->address, &controller->err);

    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    if (status == DK_OK) {
        dk_client_prove(client, controller->munge, false);
        status = dk_client_call(client, "GET", "/v1/status", NULL, NULL, 0, ASK_MS, &reply,
                                &controller->err);
    }
    if (status == DK_OK && reply.status != 200)
        status = dk_fail(&controller->err, DK_IO, "'%s' answers with HTTP status %d",
                         controller->address, reply.status);
    if (status == DK_OK) {
        (void)dk_buf_add(&controller->said, reply.body.data, reply.body.size);
        take_status(controller);
    }
    dk_buf_release(&reply.body);
    dk_client_close(client);
    return NULL;
}

static void ask_all(struct report *report)
{
    for (uint32_t i = 0; i < report->count; i++) {
        struct controller *one = &report->controllers[i];

        one->is_asked = pthread_create(&one->thread, NULL, ask, one) == 0;
        if (!one->is_asked)
            (void)ask(one);
    }
    for (uint32_t i = 0; i < report->count; i++) {
        struct controller *one = &report->controllers[i];

        if (one->is_asked)
            (void)pthread_join(one->thread, NULL);
        if (one->is_there && strcmp(one->role, "leading") == 0 &&
            (report->leader == NULL || one->epoch > report->leader->epoch))
            report->leader = one;
    }
}

/* --- the epochs there were --- */

static bool take_epoch(const char *line, size_t size, struct epoch *epoch)
{
    struct dk_json json;
    char key[32];

    memset(epoch, 0, sizeof(*epoch));
    dk_json_begin(&json, line, size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "epoch") == 0)
            epoch->epoch = dk_json_take_number(&json);
        else if (strcmp(key, "seq") == 0)
            epoch->seq = dk_json_take_number(&json);
        else if (strcmp(key, "time") == 0)
            epoch->time = dk_json_take_number(&json);
        else if (strcmp(key, "host") == 0)
            dk_json_take_text(&json, epoch->host, sizeof(epoch->host));
        else if (strcmp(key, "build") == 0)
            dk_json_take_text(&json, epoch->build, sizeof(epoch->build));
        else
            dk_json_skip(&json);
    }
    return !json.bad;
}

/* Those of the events after `after` up to `limit`, before what is known already. Of too many the
 * newest are kept. */
static enum dk_status add_epochs(struct report *report, struct dk_session *session, int64_t after,
                                 int64_t limit, struct dk_err *err)
{
    const struct cli_event_filter filter = { .type = "ControllerStarted", .limit = EPOCHS_MAX };
    struct epoch *found = calloc(report->epochs_max, sizeof(*found));
    uint64_t count = 0, kept;
    struct dk_buf body;
    enum dk_status status = DK_OK;

    DK_CHECK(found != NULL);
    dk_buf_init(&body, &dk_heap, 1 << 26);
    while (status == DK_OK && after < limit) {
        int64_t before = after;
        const char *line, *end;

        status = cli_events_next(session, &filter, &after, &body, err);
        line = (const char *)body.data;
        end = body.size > 0 ? line + body.size : line;
        for (const char *next; line < end; line = next) {
            const char *feed = memchr(line, '\n', (size_t)(end - line));
            struct epoch epoch;

            next = feed != NULL ? feed + 1 : end;
            if (take_epoch(line, (size_t)(next - line), &epoch) && epoch.seq <= limit)
                found[count++ % report->epochs_max] = epoch;
        }
        if (after == before) /* the log ends before it was said to */
            break;
    }
    kept = count < report->epochs_max ? count : report->epochs_max;
    for (uint64_t i = 0; i < kept && report->epochs_count < report->epochs_max; i++)
        report->epochs[report->epochs_count++] = found[(count - 1 - i) % report->epochs_max];
    dk_buf_release(&body);
    free(found);
    return status;
}

static enum dk_status find_epochs(struct report *report, struct dk_session *session,
                                  struct dk_err *err)
{
    int64_t seq = 0, top;
    enum dk_status status = cli_events_now(session, &seq, err);

    top = seq;
    while (status == DK_OK && top > 0 && report->epochs_count < report->epochs_max &&
           seq - top < LOOK_EVENTS_MAX) {
        int64_t after = top > LOOK_EVENTS ? top - LOOK_EVENTS : 0;

        status = add_epochs(report, session, after, top, err);
        top = after;
    }
    report->looked_from = top + 1;
    return status;
}

/* --- for people --- */

static const char *since(char out[32], const struct cli_client *client, int64_t time_us)
{
    return client->style.is_terminal ? cli_time_short(out, time_us, client->style.now_us)
                                     : cli_time(out, time_us);
}

static void list_controller(struct cli_listing *listing, const struct cli_client *client,
                            const struct report *report, const struct controller *one)
{
    bool is_leading = one->is_there && strcmp(one->role, "leading") == 0;
    bool is_true = is_leading && one == report->leader;
    char time[32];

    cli_listing_add(listing, one->address, CLI_PLAIN);
    if (!one->is_there) {
        cli_listing_add(listing, "unreachable", CLI_RED);
        for (int i = 0; i < 7; i++)
            cli_listing_add(listing, "", CLI_PLAIN);
        return;
    }
    /* A former leader that does not know it yet says what it believes. */
    cli_listing_copy(listing, is_leading && !is_true ? "overtaken" : one->role,
                     is_true      ? CLI_GREEN
                     : is_leading ? CLI_RED
                                  : CLI_PLAIN);
    cli_listing_copy(listing, since(time, client, one->role_since), CLI_PLAIN);
    cli_listing_format(listing, CLI_PLAIN, "%" PRId64, one->epoch);
    cli_listing_format(listing, CLI_PLAIN, "%" PRId64, one->seq);
    if (report->leader == NULL || is_true) {
        cli_listing_add(listing, "", CLI_PLAIN);
        cli_listing_add(listing, "", CLI_PLAIN);
    } else {
        int64_t behind = report->leader->seq - one->seq;

        cli_listing_format(listing, behind > 0 ? CLI_YELLOW : CLI_PLAIN, "%" PRId64,
                           behind > 0 ? behind : 0);
        cli_listing_format(listing, CLI_PLAIN, "%" PRId64 " ms", (one->lag_us + 500) / 1000);
    }
    cli_listing_add(listing, one->host, CLI_PLAIN);
    cli_listing_format(listing, CLI_PLAIN, "%" PRId64, one->pid);
}

static void list_controllers(const struct cli_client *client, const struct report *report)
{
    struct cli_listing listing;

    cli_listing_init(&listing, &client->style);
    cli_listing_column(&listing, "CONTROLLER", false, true);
    cli_listing_column(&listing, "ROLE", false, false);
    cli_listing_column(&listing, "SINCE", false, false);
    cli_listing_column(&listing, "EPOCH", true, false);
    cli_listing_column(&listing, "SEQ", true, false);
    cli_listing_column(&listing, "BEHIND", true, false);
    cli_listing_column(&listing, "LAG", true, false);
    cli_listing_column(&listing, "HOST", false, true);
    cli_listing_column(&listing, "PID", true, false);
    for (uint32_t i = 0; i < report->count; i++)
        list_controller(&listing, client, report, &report->controllers[i]);
    cli_listing_print(&listing, !client->common->no_header);
    cli_listing_release(&listing);
}

static void list_epochs(const struct cli_client *client, const struct report *report)
{
    struct cli_listing listing;
    char text[32];

    cli_listing_init(&listing, &client->style);
    cli_listing_column(&listing, "EPOCH", true, false);
    cli_listing_column(&listing, "SINCE", false, false);
    cli_listing_column(&listing, "FOR", true, false);
    cli_listing_column(&listing, "FROM SEQ", true, false);
    cli_listing_column(&listing, "HOST", false, true);
    cli_listing_column(&listing, "VERSION", false, true);
    for (uint32_t i = 0; i < report->epochs_count; i++) {
        const struct epoch *epoch = &report->epochs[i];
        int64_t end = i > 0 ? report->epochs[i - 1].time : client->style.now_us;

        cli_listing_format(&listing, CLI_PLAIN, "%" PRId64, epoch->epoch);
        cli_listing_copy(&listing, since(text, client, epoch->time), CLI_PLAIN);
        cli_listing_copy(&listing, cli_span(text, end > epoch->time ? end - epoch->time : 0),
                         CLI_PLAIN);
        cli_listing_format(&listing, CLI_PLAIN, "%" PRId64, epoch->seq);
        cli_listing_copy(&listing, epoch->host, CLI_PLAIN);
        cli_listing_copy(&listing, epoch->build, CLI_PLAIN);
    }
    if (report->epochs_count > 0) {
        (void)putchar('\n');
        cli_listing_print(&listing, !client->common->no_header);
    }
    cli_listing_release(&listing);
}

static void say_faults(const struct report *report)
{
    for (uint32_t i = 0; i < report->count; i++) {
        if (!report->controllers[i].is_there)
            (void)fprintf(stderr, "%s: %s\n", cli_program, report->controllers[i].err.text);
    }
    if (report->leader == NULL)
        (void)fprintf(stderr, "%s: none of %u leads that can be reached\n", cli_program,
                      report->count);
}

/* --- for programs --- */

static void print_json(const struct report *report)
{
    (void)printf("{\"controllers\":[");
    for (uint32_t i = 0; i < report->count; i++) {
        const struct controller *one = &report->controllers[i];
        size_t size = one->said.size;

        (void)printf("%s{\"address\":", i > 0 ? "," : "");
        cli_json_text(one->address);
        (void)printf(",\"reachable\":%s,", one->is_there ? "true" : "false");
        if (!one->is_there) {
            (void)printf("\"why\":");
            cli_json_text(one->err.text);
            (void)printf("}");
            continue;
        }
        while (size > 0 && one->said.data[size - 1] != '}')
            size--;
        (void)printf("\"status\":%.*s}", (int)size, (const char *)one->said.data);
    }
    (void)printf("],\"epochs\":[");
    for (uint32_t i = 0; i < report->epochs_count; i++) {
        const struct epoch *epoch = &report->epochs[i];

        (void)printf("%s{\"epoch\":%" PRId64 ",\"seq\":%" PRId64 ",\"time\":%" PRId64 ",\"host\":",
                     i > 0 ? "," : "", epoch->epoch, epoch->seq, epoch->time);
        cli_json_text(epoch->host);
        (void)printf(",\"build\":");
        cli_json_text(epoch->build);
        (void)printf("}");
    }
    (void)printf("],\"epochs_from_seq\":%" PRId64 "}\n", report->looked_from);
}

static int print_report(struct cli_client *client, struct report *report)
{
    struct dk_err err;
    enum dk_status status = DK_OK;

    if (report->epochs_max > 0)
        status = find_epochs(report, &client->session, &err);
    if (client->common->json) {
        print_json(report);
    } else {
        list_controllers(client, report);
        list_epochs(client, report);
    }
    (void)fflush(stdout);
    say_faults(report);
    if (status != DK_OK)
        (void)fprintf(stderr, "%s: epochs are not known: %s\n", cli_program, err.text);
    return report->leader != NULL ? CLI_EXIT_OK : CLI_EXIT_WORLD;
}

int cli_controllers(const struct cli_command *command, int argc, char **argv)
{
    struct controllers_options options = { 0 };
    struct cli_client client;
    struct report *report;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    report = calloc(1, sizeof(*report));
    DK_CHECK(report != NULL);
    report->epochs = calloc((size_t)options.epochs + 1, sizeof(*report->epochs));
    DK_CHECK(report->epochs != NULL);
    report->epochs_max = (uint32_t)options.epochs;
    find_controllers(report, &client.session.place);
    ask_all(report);
    exit = print_report(&client, report);
    for (uint32_t i = 0; i < report->count; i++)
        dk_buf_release(&report->controllers[i].said);
    free(report->epochs);
    free(report);
    cli_client_close(&client);
    return exit;
}
