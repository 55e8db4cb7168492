/* explain_page.c - the answer of /v1/explain as a page (explain_page.h)
 *
 * An answer is small, so a member is found by going through its object again; that lets the page
 * have its own order. */
#include "cli/explain_page.h"

#include "cli/human.h"
#include "cli/json.h"
#include "net/hostlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 12, JOBS_SHOWN = 8, EVENTS_SHOWN = 12 };

struct page {
    const struct cli_style *style;
    struct dk_buf *out;
    struct dk_json whole;
    int64_t now; /* of the answer */
    const char *label;
};

/* --- reading --- */

static bool member(struct dk_json object, const char *name, struct dk_json *value)
{
    char key[64];

    for (dk_json_enter(&object, '{'); dk_json_key(&object, key, sizeof(key)); dk_json_skip(&object))
        if (strcmp(key, name) == 0) {
            *value = object;
            return true;
        }
    return false;
}

static int64_t number(struct dk_json object, const char *name)
{
    struct dk_json value;

    return member(object, name, &value) ? dk_json_take_number(&value) : 0;
}

static const char *text(struct dk_json object, const char *name, char out[128])
{
    struct dk_json value;

    out[0] = '\0';
    if (member(object, name, &value))
        dk_json_take_text(&value, out, 128);
    return out;
}

static bool is(struct dk_json object, const char *name, const char *word)
{
    char out[128];

    return strcmp(text(object, name, out), word) == 0;
}

/* --- writing --- */

static void paint(struct page *page, enum cli_color color)
{
    cli_paint(page->style, color, page->out);
}

static void add(struct page *page, const char *text)
{
    struct dk_arena arena;

    dk_arena_init(&arena, &dk_heap);
    (void)dk_buf_add_text(page->out, cli_text_clean(text, &arena));
    dk_arena_release(&arena);
}

__attribute__((format(printf, 3, 4))) static void say(struct page *page, const char *label,
                                                      const char *format, ...)
{
    char line[1024], left[32];
    va_list args;

    (void)snprintf(left, sizeof(left), "%-*s", LABEL_WIDTH, label == page->label ? "" : label);
    page->label = label;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    paint(page, CLI_DIM);
    (void)dk_buf_add_text(page->out, left);
    paint(page, CLI_PLAIN);
    (void)dk_buf_add_text(page->out, " ");
    add(page, line);
    (void)dk_buf_add(page->out, "\n", 1);
}

static const char *when(const struct page *page, int64_t time, char out[32])
{
    return cli_time_short(out, time, page->now);
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* "n[1-3]" of an array of names, or of objects that have one; cut to `size`. */
static const char *hosts(struct dk_json array, bool objects, char *out, size_t size)
{
    struct dk_hostlist list;
    struct dk_buf compressed;

    dk_hostlist_init(&list);
    dk_buf_init(&compressed, &dk_heap, (size_t)16 << 20);
    for (dk_json_enter(&array, '['); dk_json_item(&array); dk_json_skip(&array)) {
        struct dk_json item = array;
        char name[128];

        if (objects)
            (void)text(item, "name", name);
        else
            dk_json_take_text(&item, name, sizeof(name));
        dk_hostlist_add(&list, name, strlen(name));
    }
    dk_hostlist_sort(&list);
    dk_hostlist_compress(&list, &compressed);
    (void)snprintf(out, size, "%.*s%s",
                   (int)(compressed.size < size - 4 ? compressed.size : size - 4),
                   (const char *)compressed.data, compressed.size < size - 4 ? "" : "...");
    dk_buf_release(&compressed);
    dk_hostlist_release(&list);
    return out;
}

/* --- why it waits --- */

static void say_dependency(struct page *page, struct dk_json hold)
{
    static const struct {
        const char *kind, *must;
    } kinds[] = { { "AFTER", "must have started" },
                  { "AFTER_OK", "must end well" },
                  { "AFTER_NOT_OK", "must fail" },
                  { "AFTER_ANY", "must end" } };
    char kind[128], state[128], time[32];
    const char *must = "must end";
    int64_t until = number(hold, "until");

    if (is(hold, "condition", "satisfied"))
        return;
    (void)text(hold, "dependency", kind);
    if (strcmp(kind, "SINGLETON") == 0) {
        say(page, "why", "all older jobs of its name and user must end first");
        return;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            must = kinds[i].must;
    if (is(hold, "condition", "never"))
        say(page, "why", "job %lld %s first, and never will: it has ended otherwise",
            (long long)number(hold, "job"), must);
    else if (until != 0)
        say(page, "why", "job %lld has started; the delay asked for is over at %s",
            (long long)number(hold, "job"), when(page, until, time));
    else
        say(page, "why", "job %lld %s first; it is %s", (long long)number(hold, "job"), must,
            text(hold, "job_state", state));
}

/* ", by job 17, 18, 19 and 4 more" */
static const char *by_whom(struct dk_json hold, char *out, size_t size)
{
    struct dk_json jobs;
    int64_t all = number(hold, "jobs_all"), shown = 0;
    size_t used = 0;

    out[0] = '\0';
    if (all == 0 || !member(hold, "jobs", &jobs))
        return out;
    used = (size_t)snprintf(out, size, ": by job%s", plural(all));
    for (dk_json_enter(&jobs, '['); dk_json_item(&jobs) && shown < JOBS_SHOWN; shown++)
        used += (size_t)snprintf(out + used, size - used, "%s%lld", shown > 0 ? ", " : " ",
                                 (long long)dk_json_take_number(&jobs));
    if (all > shown)
        (void)snprintf(out + used, size - used, " and %lld more", (long long)(all - shown));
    return out;
}

static void say_limit(struct page *page, struct dk_json hold)
{
    static const struct {
        const char *scope, *of;
    } scopes[] = { { "CLUSTER", "the cluster" }, { "USER", "user " },
                   { "EACH_USER", "user " },     { "EACH_USER_IN_PARTITION", "user " },
                   { "ACCOUNT", "account " },    { "EACH_ACCOUNT", "account " },
                   { "PARTITION", "partition " } };
    char scope[128], what[128], whose[128], jobs[256];
    const char *of = "";

    (void)text(hold, "scope", scope);
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
        if (strcmp(scopes[i].scope, scope) == 0)
            of = scopes[i].of;
    say(page, "why", "limit: %s%s may have %lld %s%s, has %lld, and this asks for %lld more%s", of,
        text(hold, "whose", whose), (long long)number(hold, "limit"), text(hold, "what", what),
        strcmp(scope, "EACH_USER_IN_PARTITION") == 0 ? " in this partition" : "",
        (long long)number(hold, "in_use"), (long long)number(hold, "asked"),
        by_whom(hold, jobs, sizeof(jobs)));
}

static void say_held(struct page *page, struct dk_json hold, const char *kind)
{
    char by[128], time[32];
    int64_t since = number(hold, "since");
    bool is_admin = strcmp(kind, "admin") == 0;

    (void)text(hold, "by", by);
    say(page, "why", "held%s%s%s%s%s: docket release %lld", by[0] != '\0' ? " by " : "", by,
        since != 0 ? " since " : "", since != 0 ? when(page, since, time) : "",
        is_admin ? ", only an operator may release it" : "", (long long)number(page->whole, "job"));
}

static void say_place(struct page *page, struct dk_json hold, const char *kind)
{
    char partition[128];
    struct dk_json ahead;

    (void)text(page->whole, "partition", partition);
    if (strcmp(kind, "unavailable") == 0) {
        say(page, "why", "it would not fit even if all nodes that are up were idle: see nodes");
    } else if (strcmp(kind, "resources") == 0) {
        say(page, "why",
            "no room: it asks for %lld core%s; in partition %s %lld of %lld are in use",
            (long long)number(hold, "asked"), plural(number(hold, "asked")), partition,
            (long long)number(hold, "in_use"), (long long)number(hold, "limit"));
    } else if (member(page->whole, "ahead", &ahead)) {
        int64_t count = number(ahead, "count");

        say(page, "why", "%lld job%s before it in the order, asking for %lld core%s",
            (long long)count, count == 1 ? " is" : "s are", (long long)number(ahead, "cores"),
            plural(number(ahead, "cores")));
    }
}

static void say_hold(struct page *page, struct dk_json hold)
{
    char kind[128], state[128], time[32], jobs[256], partition[128];

    (void)text(hold, "kind", kind);
    if (strcmp(kind, "user") == 0 || strcmp(kind, "admin") == 0)
        say_held(page, hold, kind);
    else if (strcmp(kind, "begin") == 0)
        say(page, "why", "not to start before %s", when(page, number(hold, "until"), time));
    else if (strcmp(kind, "dependency") == 0)
        say_dependency(page, hold);
    else if (strcmp(kind, "tasks") == 0)
        say(page, "why", "the array may run %lld task%s at a time, and %lld run%s",
            (long long)number(hold, "limit"), plural(number(hold, "limit")),
            (long long)number(hold, "in_use"), by_whom(hold, jobs, sizeof(jobs)));
    else if (strcmp(kind, "partition") == 0)
        say(page, "why", "partition %s starts no jobs: it is %s",
            text(page->whole, "partition", partition), text(hold, "state", state));
    else if (strcmp(kind, "limit") == 0)
        say_limit(page, hold);
    else
        say_place(page, hold, kind);
}

/* Why it may not go before the others although it fits. */
static void say_backfill(struct page *page)
{
    struct dk_json head;
    char time[32];

    if (!member(page->whole, "head", &head) || !is(page->whole, "fits_now", "true"))
        return;
    if (number(page->whole, "beyond_depth") != 0) {
        say(page, "why", "it fits now, but a pass looks only at %lld jobs behind job %lld",
            (long long)number(page->whole, "beyond_depth"), (long long)number(head, "job"));
    } else if (is(head, "ends_in_time", "false") && is(head, "fits_beside", "false")) {
        say(page, "why",
            "it fits now, but would still run at %s, when job %lld starts and needs the cores",
            when(page, number(head, "start"), time), (long long)number(head, "job"));
        say(page, "why", "with a limit that ends by then it could go first");
    }
}

static void say_jobs(struct page *page, const char *label, const char *name, bool ends)
{
    struct dk_json list, jobs;
    int64_t count, shown = 0;

    if (!member(page->whole, name, &list) || !member(list, "jobs", &jobs))
        return;
    count = number(list, "count");
    for (dk_json_enter(&jobs, '['); dk_json_item(&jobs) && shown < JOBS_SHOWN;
         dk_json_skip(&jobs), shown++) {
        char user[128], time[32];

        if (ends)
            say(page, label, "job %lld of %s, %lld core%s, until %s at the latest",
                (long long)number(jobs, "job"), text(jobs, "user", user),
                (long long)number(jobs, "cores"), plural(number(jobs, "cores")),
                when(page, number(jobs, "end"), time));
        else
            say(page, label, "job %lld of %s, %lld core%s", (long long)number(jobs, "job"),
                text(jobs, "user", user), (long long)number(jobs, "cores"),
                plural(number(jobs, "cores")));
    }
    if (count > shown)
        say(page, label, "and %lld more, %lld cores in all", (long long)(count - shown),
            (long long)number(list, "cores"));
}

static void say_forecast(struct page *page)
{
    struct dk_json forecast, reservation, nodes;
    char time[32], span[32], where[256] = "", why[128];

    if (member(page->whole, "reservation", &reservation))
        say(page, "reserved", "from %s (%s)", when(page, number(reservation, "start"), time),
            text(reservation, "by", why));
    if (!member(page->whole, "forecast", &forecast))
        return;
    if (!is(forecast, "result", "starts")) {
        if (number(forecast, "not_before") != 0)
            say(page, "starts", "not before %s; %s",
                when(page, number(forecast, "not_before"), time), text(forecast, "why", why));
        else
            say(page, "starts", "not known: %s", text(forecast, "why", why));
        return;
    }
    if (member(forecast, "nodes", &nodes))
        (void)hosts(nodes, false, where, sizeof(where));
    say(page, "starts", "about %s (in %s) on %s", when(page, number(forecast, "start"), time),
        cli_span(span, number(forecast, "in")), where);
    say(page, "starts", "if %s", text(forecast, "if", why));
}

static void say_factors(struct page *page, struct dk_json factors)
{
    for (dk_json_enter(&factors, '['); dk_json_item(&factors); dk_json_skip(&factors)) {
        char name[128];
        int64_t value = number(factors, "value"), of = number(factors, "of");

        (void)text(factors, "name", name);
        if (strcmp(name, "nice") == 0)
            say(page, "priority", "%9lld  nice %lld", (long long)number(factors, "product"),
                (long long)value);
        else
            say(page, "priority", "%9lld  %s %.4f x %lld", (long long)number(factors, "product"),
                name, of > 0 ? (double)value / (double)of : 0.0,
                (long long)number(factors, "weight"));
    }
}

static void say_order(struct page *page, struct dk_json object)
{
    struct dk_json order, factors;
    char policy[128], backfill[128];

    if (!member(object, "order", &order) || number(order, "position") == 0)
        return;
    say(page, "place", "%lld of %lld, by %s, backfill %s", (long long)number(order, "position"),
        (long long)number(order, "of"), text(order, "policy", policy),
        text(order, "backfill", backfill));
    if (member(order, "factors", &factors)) {
        say(page, "priority", "%9lld  the sum of", (long long)number(order, "priority"));
        say_factors(page, factors);
    }
}

static void say_nodes(struct page *page, struct dk_json object)
{
    static const struct {
        const char *fit, *words;
    } words[] = { { "free", "room now" },
                  { "busy", "jobs are in the way" },
                  { "small", "too small, even idle" },
                  { "unsuitable", "without the features asked for, or excluded" },
                  { "drained", "DRAINED" },
                  { "down", "DOWN" },
                  { "lost", "does not answer" } };
    struct dk_json nodes, groups;

    if (!member(object, "nodes", &nodes) || !member(nodes, "groups", &groups))
        return;
    for (dk_json_enter(&groups, '['); dk_json_item(&groups); dk_json_skip(&groups)) {
        struct dk_json names;
        char list[256] = "", fit[128];
        const char *said = "";

        (void)text(groups, "fit", fit);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strcmp(words[i].fit, fit) == 0)
                said = words[i].words;
        if (member(groups, "names", &names))
            (void)hosts(names, false, list, sizeof(list));
        say(page, "nodes", "%s: %s (%lld core%s, %lld MiB free)", list, said,
            (long long)number(groups, "cores_free"), plural(number(groups, "cores_free")),
            (long long)number(groups, "memory_free"));
    }
}

static void say_asked(struct page *page)
{
    struct dk_json asks;
    char constraint[128], more[256] = "";
    size_t used = 0;
    int64_t value;

    if (!member(page->whole, "asks", &asks))
        return;
    if ((value = number(asks, "memory_per_node")) != 0)
        used += (size_t)snprintf(more + used, sizeof(more) - used, ", %lld MiB a node",
                                 (long long)value);
    if ((value = number(asks, "memory_per_core")) != 0)
        used += (size_t)snprintf(more + used, sizeof(more) - used, ", %lld MiB a core",
                                 (long long)value);
    if ((value = number(asks, "gpus_per_node")) != 0)
        used += (size_t)snprintf(more + used, sizeof(more) - used, ", %lld GPUs a node",
                                 (long long)value);
    if ((value = number(asks, "gpus_per_task")) != 0)
        used += (size_t)snprintf(more + used, sizeof(more) - used, ", %lld GPUs a task",
                                 (long long)value);
    if (is(asks, "exclusive", "true"))
        used += (size_t)snprintf(more + used, sizeof(more) - used, ", whole nodes");
    if (text(asks, "constraint", constraint)[0] != '\0')
        (void)snprintf(more + used, sizeof(more) - used, ", features %s", constraint);
    value = number(asks, "nodes");
    if (value != 0)
        say(page, "asks for", "%lld node%s, %lld tasks of %lld core%s%s", (long long)value,
            plural(value), (long long)number(asks, "tasks"),
            (long long)number(asks, "cores_per_task"), plural(number(asks, "cores_per_task")),
            more);
    else
        say(page, "asks for", "%lld task%s of %lld core%s%s", (long long)number(asks, "tasks"),
            plural(number(asks, "tasks")), (long long)number(asks, "cores_per_task"),
            plural(number(asks, "cores_per_task")), more);
}

static void say_named(struct page *page)
{
    struct dk_json asks, names;
    char list[256];

    if (!member(page->whole, "asks", &asks))
        return;
    if (member(asks, "nodes_wanted", &names))
        say(page, "asks for", "%s among its nodes", hosts(names, false, list, sizeof(list)));
    if (member(asks, "nodes_excluded", &names))
        say(page, "asks for", "not %s", hosts(names, false, list, sizeof(list)));
}

static void say_waiting(struct page *page)
{
    struct dk_json holds, array;

    if (member(page->whole, "holds", &holds))
        for (dk_json_enter(&holds, '['); dk_json_item(&holds); dk_json_skip(&holds))
            say_hold(page, holds);
    say_backfill(page);
    say_forecast(page);
    if (member(page->whole, "array", &array))
        say(page, "array", "%lld task%s wait, %lld run", (long long)number(array, "waiting"),
            plural(number(array, "waiting")), (long long)number(array, "running"));
    say_order(page, page->whole);
    say_jobs(page, "waits for", "waits_for_ends", true);
    say_jobs(page, "before it", "ahead", false);
    say_asked(page);
    say_named(page);
    say_nodes(page, page->whole);
}

/* --- why it started --- */

static void say_passed(struct page *page, struct dk_json placement)
{
    struct dk_json passed, head;
    struct page inner = *page;
    char time[32];
    int64_t count;

    if (!member(placement, "passed", &passed))
        return;
    count = number(passed, "count");
    if (count == 0) {
        say(page, "order", "it was its turn: nobody was before it");
        return;
    }
    say(page, "order", "backfilled past %lld job%s:", (long long)count, plural(count));
    inner.whole = placement;
    inner.label = page->label;
    say_jobs(&inner, "order", "passed", false);
    if (!member(placement, "head", &head))
        return;
    if (number(head, "start") == 0)
        say(page, "order", "job %lld, the first that did not fit, had no reservation to be delayed",
            (long long)number(head, "job"));
    else
        say(page, "order", "job %lld, the first that did not fit, was to start at %s: this %s",
            (long long)number(head, "job"), when(page, number(head, "start"), time),
            is(head, "ends_in_time", "true") ? "ends before that"
                                             : "takes nothing that it will need");
}

static void say_chosen(struct page *page, struct dk_json placement)
{
    struct dk_json chosen;
    char list[256] = "";
    int64_t cores = 0;

    if (!member(placement, "chosen", &chosen))
        return;
    (void)hosts(chosen, true, list, sizeof(list));
    for (dk_json_enter(&chosen, '['); dk_json_item(&chosen); dk_json_skip(&chosen))
        cores += number(chosen, "cores");
    say(page, "where", "%s, %lld core%s: nodes are filled in order, the first with room are taken",
        list, (long long)cores, plural(cores));
    say(page, "where", "as it stood at that moment:");
    page->label = "nodes"; /* they go on under "where" */
    say_nodes(page, placement);
}

static void say_placement(struct page *page, struct dk_json placement)
{
    char time[32], span[32];
    bool is_same = is(placement, "decided_again", "same");

    say(page, "decided", "at %s, event %lld, in the batch of events %lld to %lld",
        when(page, number(placement, "time"), time), (long long)number(placement, "seq"),
        (long long)number(placement, "batch_first"), (long long)number(placement, "batch_last"));
    if (is_same)
        say(page, "decided", "decided again from the log: the same");
    else
        say(page, "decided", "DECIDED AGAIN FROM THE LOG: NOT THE SAME; try docket audit verify");
    if (number(placement, "eligible") != 0)
        say(page, "waited", "%s, since it could have started at %s",
            cli_span(span, number(placement, "waited")),
            when(page, number(placement, "eligible"), time));
    say_order(page, placement);
    say_passed(page, placement);
    say_chosen(page, placement);
}

static void say_spans(struct page *page)
{
    struct dk_json spans;

    if (!member(page->whole, "spans", &spans))
        return;
    for (dk_json_enter(&spans, '['); dk_json_item(&spans); dk_json_skip(&spans)) {
        char from[32], to[32], span[32], why[128], job[32] = "";
        int64_t start = number(spans, "from"), end = number(spans, "to");

        if (end - start < 1000000)
            continue; /* no time to speak of */
        if (number(spans, "job") != 0)
            (void)snprintf(job, sizeof(job), " on job %lld", (long long)number(spans, "job"));
        say(page, "held up", "%s to %s (%s): %s%s", when(page, start, from), when(page, end, to),
            cli_span(span, end - start), text(spans, "why", why), job);
    }
}

static void say_end(struct page *page)
{
    struct dk_json end, asked;
    char time[32], state[128], by[128], why[128], how[48];

    if (member(page->whole, "end_requested", &asked))
        say(page, "ended", "asked to end at %s%s%s, event %lld: %s",
            when(page, number(asked, "time"), time),
            text(asked, "by", by)[0] != '\0' ? " by " : " by the core itself", by,
            (long long)number(asked, "seq"), text(asked, "state", state));
    if (!member(page->whole, "end", &end))
        return;
    if (number(end, "signal") != 0)
        (void)snprintf(how, sizeof(how), "by signal %lld", (long long)number(end, "signal"));
    else
        (void)snprintf(how, sizeof(how), "exit status %lld", (long long)number(end, "exit_code"));
    say(page, "ended", "%s at %s, event %lld, %s%s%s", text(end, "state", state),
        when(page, number(end, "time"), time), (long long)number(end, "seq"), how,
        text(end, "by", by)[0] != '\0' ? ", asked for by " : "", by);
    if (text(end, "why", why)[0] != '\0')
        say(page, "ended", "%s", why);
}

static void say_events(struct page *page)
{
    struct dk_json events, all;
    int64_t count = 0, at = 0;

    if (!member(page->whole, "events", &events))
        return;
    all = events;
    for (dk_json_enter(&all, '['); dk_json_item(&all); dk_json_skip(&all))
        count++;
    for (dk_json_enter(&events, '['); dk_json_item(&events); dk_json_skip(&events), at++) {
        char time[32], type[128], by[128], state[128];

        if (count - at > EVENTS_SHOWN)
            continue;
        say(page, "events", "%s  %lld  %s%s%s%s%s", when(page, number(events, "time"), time),
            (long long)number(events, "seq"), text(events, "type", type),
            text(events, "state", state)[0] != '\0' ? " " : "", state,
            text(events, "by", by)[0] != '\0' ? " by " : "", by);
    }
}

/* --- the whole --- */

static void say_head(struct page *page)
{
    char name[128], user[128], state[128], reason[128], line[640], time[32], job[64];
    int64_t task = number(page->whole, "array_task"), array = number(page->whole, "array_job");

    (void)snprintf(job, sizeof(job), "job %lld", (long long)number(page->whole, "job"));
    if (array != 0 && array == number(page->whole, "job"))
        (void)snprintf(job, sizeof(job), "task %lld of array %lld, which waits,", (long long)task,
                       (long long)array);
    else if (array != 0)
        (void)snprintf(job, sizeof(job), "job %lld (task %lld of array %lld)",
                       (long long)number(page->whole, "job"), (long long)task, (long long)array);
    (void)text(page->whole, "name", name);
    (void)text(page->whole, "user", user);
    (void)text(page->whole, "state", state);
    (void)text(page->whole, "reason", reason);
    (void)snprintf(line, sizeof(line), "%s%s%s of %s: %s%s%s%s", job, name[0] != '\0' ? " " : "",
                   name, user, state, reason[0] != '\0' ? " (" : "", reason,
                   reason[0] != '\0' ? ")" : "");
    paint(page, CLI_BOLD);
    add(page, line);
    paint(page, CLI_PLAIN);
    (void)snprintf(line, sizeof(line), "\nas of %s, event %lld\n\n", cli_time(time, page->now),
                   (long long)number(page->whole, "seq"));
    (void)dk_buf_add_text(page->out, line);
}

bool cli_explain_page(const struct cli_style *style, const struct dk_buf *json, struct dk_buf *out)
{
    struct page page = { .style = style, .out = out, .label = "" };
    struct dk_json placement, check;

    dk_json_begin(&page.whole, json->data, json->size);
    check = page.whole;
    dk_json_skip(&check);
    if (check.bad || dk_json_peek(&page.whole) != '{' || number(page.whole, "job") == 0)
        return false;
    page.now = number(page.whole, "time");
    say_head(&page);
    if (is(page.whole, "state", "PENDING"))
        say_waiting(&page);
    if (member(page.whole, "placement", &placement))
        say_placement(&page, placement);
    say_end(&page);
    say_spans(&page);
    say_events(&page);
    return true;
}
