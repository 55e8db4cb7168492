/* cmd_watch.c - docket watch: the queue, live
 *
 * A thread waits for events (a long poll on seq, decision 0010) and says so through a pipe; then
 * the queue is asked for and drawn. Between events only the clocks of running jobs move, and those
 * are drawn from what is already here. Into a pipe: a line for each change.
 */
#define _GNU_SOURCE
#include "cli/client.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/human.h"
#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define WATCH_FIELDS "job,name,user,partition,state,elapsed,limit,nodes,cores,where"
#define WATCH_TYPES                                                                                \
    "JobSubmitted,JobUpdated,JobHeld,JobReleased,JobRequeued,JobPlaced,JobEndRequested,JobEnded,"  \
    "ArrayTasksCancelled,NodeRegistered,NodeConditionSet"

enum { REDRAW_MS_MIN = 100 /* a burst of events is one picture */ };

struct watch_options {
    struct cli_common common;
    const char *user, *partition, *state;
};

#define WATCH(field) offsetof(struct watch_options, field)

const struct cli_option cli_watch_options[] = {
    { "--user", CLI_TEXT, "NAMES", WATCH(user), NULL, 0, 0, "jobs of these users" },
    { "--partition", CLI_TEXT, "NAMES", WATCH(partition), NULL, 0, 0, "in these partitions" },
    { "--state", CLI_TEXT, "STATES", WATCH(state), NULL, 0, 0, "in these states" },
    CLI_COLOR_OPTION(watch_options),
    CLI_DIR_OPTION(watch_options),
    { 0 },
};

/* --- changes as lines --- */

/* What a line says of an event beside its time, seq, type and job. */
static void print_details(struct dk_json *json, const char *key)
{
    static const char *const shown[] = { "state",     "exit_code", "signal", "why",
                                         "condition", "node",      "reason", "name" };
    char text[256];

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        if (strcmp(key, shown[i]) != 0 || dk_json_peek(json) == '{' || dk_json_peek(json) == '[')
            continue;
        dk_json_take_text(json, text, sizeof(text));
        if (text[0] != '\0' && strcmp(text, "0") != 0)
            (void)printf(" %s=%s", key, text);
        return;
    }
    dk_json_skip(json);
}

/* The member `wanted` of the object that follows, as text. */
static void take_member(struct dk_json *json, const char *wanted, char *text, size_t size)
{
    char key[32];

    for (dk_json_enter(json, '{'); dk_json_key(json, key, sizeof(key));) {
        if (strcmp(key, wanted) == 0)
            dk_json_take_text(json, text, size);
        else
            dk_json_skip(json);
    }
}

static void print_change(const char *line, size_t size)
{
    char key[32], text[256], type[32] = "", time[32] = "";
    struct dk_json json;
    int64_t job = 0, seq = 0;

    dk_json_begin(&json, line, size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "type") == 0 && type[0] == '\0')
            dk_json_take_text(&json, type, sizeof(type));
        else if (strcmp(key, "seq") == 0)
            seq = dk_json_take_number(&json);
        else if (strcmp(key, "time") == 0)
            cli_time(time, dk_json_take_number(&json));
        else if (strcmp(key, "job") == 0)
            job = dk_json_take_number(&json);
        else
            dk_json_skip(&json);
    }
    if (json.bad)
        return;
    (void)printf("%s %lld %s", time, (long long)seq, type);
    if (job > 0)
        (void)printf(" job=%lld", (long long)job);
    dk_json_begin(&json, line, size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        text[0] = '\0';
        if (strcmp(key, "spec") == 0 && dk_json_peek(&json) == '{')
            take_member(&json, "name", text, sizeof(text));
        else
            print_details(&json, key);
        if (text[0] != '\0')
            (void)printf(" name=%s", text);
    }
    (void)putchar('\n');
}

static int watch_lines(struct cli_client *client)
{
    struct cli_event_filter filter = { .type = WATCH_TYPES, .wait_ms = CLI_EVENTS_WAIT_MS };
    struct dk_buf body;
    struct dk_err err;
    int64_t after = 0;
    enum dk_status status = cli_events_now(&client->session, &after, &err);

    dk_buf_init(&body, &dk_heap, (size_t)1 << 31);
    while (status == DK_OK) {
        const char *at, *end;

        status = cli_events_next(&client->session, &filter, &after, &body, &err);
        if (status != DK_OK)
            break;
        at = (const char *)body.data;
        end = at + body.size;
        while (at < end) {
            const char *stop = memchr(at, '\n', (size_t)(end - at));
            size_t size = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);

            print_change(at, size);
            at += size + 1;
        }
        if (fflush(stdout) != 0)
            break;
    }
    dk_buf_release(&body);
    return status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
}

/* --- the picture --- */

struct watch {
    struct cli_client *client;
    const struct watch_options *options;
    int pipe[2];    /* the waiting thread writes a byte for each answer */
    int64_t newest; /* seq that it has seen */
    struct dk_session waiting;
    struct cli_view view;
    struct dk_rows rows;
    int64_t asked_us; /* when the rows came */
    char problem[DK_ERR_TEXT_MAX];
};

static struct termios terminal_before;
static volatile sig_atomic_t is_over;

static void on_end(int number)
{
    (void)number;
    is_over = 1;
}

static void on_resize(int number)
{
    (void)number; /* poll returns, and the size is looked at anew */
}

static void *wait_for_events(void *context)
{
    struct watch *watch = context;
    struct cli_event_filter filter = { .type = WATCH_TYPES,
                                       .limit = 1000,
                                       .wait_ms = CLI_EVENTS_WAIT_MS };
    struct dk_buf body;
    struct dk_err err;
    int64_t after = watch->newest;
    char word = 'e';

    dk_buf_init(&body, &dk_heap, (size_t)1 << 31);
    while (word == 'e') {
        enum dk_status status = cli_events_next(&watch->waiting, &filter, &after, &body, &err);

        if (status == DK_OK && body.size == 0)
            continue;
        if (status != DK_OK) { /* the main thread asks, and says what is wrong */
            dk_session_close(&watch->waiting);
            (void)poll(NULL, 0, 1000);
        }
        if (write(watch->pipe[1], &word, 1) != 1)
            word = 'x';
    }
    dk_buf_release(&body);
    return NULL;
}

static void ask_rows(struct watch *watch)
{
    const struct watch_options *options = watch->options;
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;

    dk_question_init(&question, "/v1/jobs");
    if (options->user != NULL)
        dk_question_add(&question, "user", options->user);
    if (options->partition != NULL)
        dk_question_add(&question, "partition", options->partition);
    dk_question_add(&question, "state", options->state != NULL ? options->state : "all");
    watch->problem[0] = '\0';
    if (dk_ask_rows(&watch->client->session, &question, watch->view.fields, &rows, &err) == DK_OK) {
        dk_rows_release(&watch->rows);
        watch->rows = rows;
        watch->asked_us = cli_now_us();
    } else {
        dk_rows_release(&rows);
        (void)snprintf(watch->problem, sizeof(watch->problem), "%s", err.text);
    }
    dk_question_release(&question);
}

/* Running first, then ending, then waiting, then what has ended; in each as they came. */
static int place_of(const char *state)
{
    static const char *const order[] = { "RUNNING", "COMPLETING", "SUSPENDED", "PENDING" };

    for (int i = 0; i < 4; i++)
        if (strcmp(state, order[i]) == 0)
            return i;
    return 4;
}

enum { STATE_COLUMN = 4, ELAPSED_COLUMN = 5, PLACES = 5 };

static void list_row(struct watch *watch, uint32_t row, struct cli_listing *listing)
{
    const char *state = dk_cell(&watch->rows, row, watch->view.first[STATE_COLUMN]);
    int64_t passed = cli_now_us() - watch->asked_us;
    char out[1024];

    for (uint32_t i = 0; i < watch->view.count; i++) {
        const char *text = cli_view_cell(&watch->view, &watch->rows, row, i, &watch->client->style,
                                         out, sizeof(out));

        if (i == ELAPSED_COLUMN && strcmp(state, "RUNNING") == 0 && text[0] != '\0')
            text =
                cli_span(out, dk_cell_number(&watch->rows, row, watch->view.first[i], 0) + passed);
        cli_listing_copy(listing, text, i == STATE_COLUMN ? cli_state_color(state) : CLI_PLAIN);
    }
}

static void add_summary(struct watch *watch, struct dk_buf *out)
{
    uint32_t counts[PLACES] = { 0 };
    char line[256], time[32];

    for (uint32_t row = 0; row < watch->rows.rows; row++)
        counts[place_of(dk_cell(&watch->rows, row, watch->view.first[STATE_COLUMN]))]++;
    (void)snprintf(line, sizeof(line), "docket  %s  seq %lld   %u running, %u waiting, %u ended",
                   cli_time(time, cli_now_us()), (long long)watch->rows.seq,
                   counts[0] + counts[1] + counts[2], counts[3], counts[4]);
    cli_paint(&watch->client->style, CLI_BOLD, out);
    (void)dk_buf_add(out, line, strnlen(line, (size_t)watch->client->style.width));
    cli_paint(&watch->client->style, CLI_PLAIN, out);
    (void)dk_buf_add_text(out, "\n\n");
}

/* Every line ends by clearing what was behind it; below the last one everything is cleared. */
static void show(const struct dk_buf *picture)
{
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, 1 << 26);
    (void)dk_buf_add_text(&out, "\033[H");
    for (size_t i = 0; i < picture->size; i++) {
        if (picture->data[i] == '\n')
            (void)dk_buf_add_text(&out, "\033[K\r");
        (void)dk_buf_add(&out, &picture->data[i], 1);
    }
    (void)dk_buf_add_text(&out, "\033[J");
    (void)fwrite(out.data, 1, out.size, stdout);
    (void)fflush(stdout);
    dk_buf_release(&out);
}

static void draw(struct watch *watch)
{
    struct cli_listing listing;
    struct dk_buf picture;
    uint32_t lines;

    cli_style_find(&watch->client->style, watch->options->common.color);
    lines = watch->client->style.height > 6 ? (uint32_t)watch->client->style.height - 5 : 1;
    dk_buf_init(&picture, &dk_heap, 1 << 26);
    add_summary(watch, &picture);
    cli_listing_init(&listing, &watch->client->style);
    cli_view_head(&watch->view, &listing);
    for (int place = 0; place < PLACES; place++)
        for (uint32_t row = 0; row < watch->rows.rows && listing.count < lines * watch->view.count;
             row++)
            if (place_of(dk_cell(&watch->rows, row, watch->view.first[STATE_COLUMN])) == place)
                list_row(watch, row, &listing);
    cli_listing_write(&listing, true, lines, &picture);
    if (watch->rows.rows > lines) {
        char more[64];

        (void)snprintf(more, sizeof(more), "... and %u more\n", watch->rows.rows - lines);
        (void)dk_buf_add_text(&picture, more);
    }
    if (watch->problem[0] != '\0') {
        cli_paint(&watch->client->style, CLI_RED, &picture);
        (void)dk_buf_add(&picture, watch->problem,
                         strnlen(watch->problem, (size_t)watch->client->style.width));
        cli_paint(&watch->client->style, CLI_PLAIN, &picture);
        (void)dk_buf_add_text(&picture, "\n");
    }
    (void)dk_buf_add_text(&picture, "q quits");
    show(&picture);
    cli_listing_release(&listing);
    dk_buf_release(&picture);
}

/* q, Q, Ctrl-C or the end of the input. */
static bool wants_out(void)
{
    char keys[64];
    ssize_t size = read(STDIN_FILENO, keys, sizeof(keys));

    for (ssize_t i = 0; i < size; i++)
        if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 3)
            return true;
    return size == 0;
}

static void run_picture(struct watch *watch)
{
    struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                             { .fd = watch->pipe[0], .events = POLLIN } };

    while (!is_over) {
        char bytes[256];

        if (poll(fds, 2, 1000) < 0 && errno != EINTR)
            return;
        if ((fds[0].revents & (POLLIN | POLLHUP)) != 0 && wants_out())
            return;
        if ((fds[1].revents & POLLIN) != 0) {
            (void)poll(NULL, 0, REDRAW_MS_MIN);
            if (read(watch->pipe[0], bytes, sizeof(bytes)) > 0)
                ask_rows(watch);
        }
        draw(watch);
    }
}

static void enter_screen(void)
{
    struct termios raw;
    struct sigaction end = { .sa_handler = on_end }, resize = { .sa_handler = on_resize };

    (void)sigaction(SIGINT, &end, NULL);
    (void)sigaction(SIGTERM, &end, NULL);
    (void)sigaction(SIGHUP, &end, NULL);
    (void)sigaction(SIGWINCH, &resize, NULL);
    if (tcgetattr(STDIN_FILENO, &terminal_before) == 0) {
        raw = terminal_before;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    (void)fputs("\033[?1049h\033[?25l\033[?7l", stdout);
}

static void leave_screen(void)
{
    (void)fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

static int watch_screen(struct cli_client *client, const struct watch_options *options)
{
    struct watch watch = { .client = client, .options = options };
    pthread_t thread;
    struct dk_err err;

    if (cli_view_make(&watch.view, WATCH_FIELDS, &err) != DK_OK ||
        cli_events_now(&client->session, &watch.newest, &err) != DK_OK ||
        dk_session_open(&watch.waiting, options->common.dir, &err) != DK_OK)
        return cli_fail(&err);
    client->session.remark = NULL; /* it would write over the picture */
    if (pipe2(watch.pipe, O_CLOEXEC) != 0 ||
        pthread_create(&thread, NULL, wait_for_events, &watch) != 0) {
        (void)dk_fail(&err, DK_IO, "a thread or pipe can't be made: %s", strerror(errno));
        return cli_fail(&err);
    }
    ask_rows(&watch);
    enter_screen();
    draw(&watch);
    run_picture(&watch);
    leave_screen();
    _exit(CLI_EXIT_OK); /* the thread may be waiting for half a minute; it holds nothing */
}

int cli_watch(const struct cli_command *command, int argc, char **argv)
{
    struct watch_options options = { 0 };
    struct cli_client client;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    if (client.style.is_terminal && isatty(STDIN_FILENO) == 1)
        exit = watch_screen(&client, &options);
    else
        exit = watch_lines(&client);
    cli_client_close(&client);
    return exit;
}
