/* machine.c - the machine under an agent: nodes/machine.h, ledger.h and outbox.h, made up (node.h)
 *
 * A keeper is forked some milliseconds after it was asked for, whatever has become of the agent by
 * then; it makes its record, or leaves when there is one. What it writes into the record is in the
 * page cache: a dead agent changes nothing, a loss of power takes what is younger than the kernel's
 * writing back, if it likes. */
#include "node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITTEN_BACK (30 * SECOND) /* by then, whatever the kernel does */

static struct node *node_of(const struct dk_agent *agent)
{
    return agent->outbox->node;
}

/* --- clocks, chance --- */

int64_t dk_agent_now_us(void)
{
    return sim->now;
}

int64_t dk_agent_wall_us(void)
{
    return sim->now + sim->current->skew;
}

bool dk_machine_random(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_below(256);
    return true;
}

/* --- outbox.h --- */

static void report_comes(void *subject, int64_t number)
{
    (void)number;
    node_say_report(subject);
}

void dk_outbox_report(struct dk_outbox *outbox, int64_t job, int32_t attempt,
                      struct dk_bytes request)
{
    dk_reports_add(outbox->node->reports, job, attempt, request);
    sim_after(sim_between(10, 200), report_comes, outbox->node, 0, &outbox->node->base.life);
}

void dk_outbox_set_beat(struct dk_outbox *outbox, int64_t beat_us)
{
    dk_reports_set_beat(outbox->node->reports, beat_us, sim->now);
    sim_after(sim_between(10, 200), report_comes, outbox->node, 0, &outbox->node->base.life);
}

/* --- ledger.h --- */

static void file_cut(struct ledger_file *file, size_t count)
{
    while (file->count > count)
        free(file->items[--file->count].bytes);
    if (file->synced > count)
        file->synced = count;
}

static void file_add(struct ledger_file *file, const struct dk_ledger_entry *entry)
{
    struct ledger_entry *item;

    if (file->count == file->capacity) {
        file->capacity = file->capacity > 0 ? file->capacity * 2 : 32;
        file->items = realloc(file->items, file->capacity * sizeof(*file->items));
        DK_CHECK(file->items != NULL);
    }
    item = &file->items[file->count++];
    item->entry = *entry;
    item->bytes = malloc(entry->bytes.size + (size_t)1);
    DK_CHECK(item->bytes != NULL);
    if (entry->bytes.size > 0)
        memcpy(item->bytes, entry->bytes.data, entry->bytes.size);
    item->entry.bytes.data = item->bytes;
}

enum dk_status dk_ledger_open(struct dk_ledger **out, int folder_fd,
                              const struct dk_ledger_owner *owner, struct dk_err *err)
{
    struct dk_ledger *ledger = calloc(1, sizeof(*ledger));
    struct node *node = node_of(owner->context);
    struct ledger_file file = { NULL, 0, 0, 0, true };

    (void)folder_fd;
    (void)err;
    DK_CHECK(ledger != NULL);
    ledger->node = node;
    ledger->owner = *owner;
    for (size_t i = 0; i < node->ledger.count; i++)
        owner->take(owner->context, &node->ledger.items[i].entry);
    ledger->rewriting = &file;
    owner->give(owner->context, ledger);
    ledger->rewriting = NULL;
    file_cut(&node->ledger, 0);
    free(node->ledger.items);
    file.synced = file.count;
    node->ledger = file;
    *out = ledger;
    return DK_OK;
}

void dk_ledger_close(struct dk_ledger *ledger)
{
    free(ledger);
}

enum dk_status dk_ledger_add(struct dk_ledger *ledger, const struct dk_ledger_entry *entry,
                             struct dk_err *err)
{
    (void)err;
    file_add(ledger->rewriting != NULL ? ledger->rewriting : &ledger->node->ledger, entry);
    return DK_OK;
}

enum dk_status dk_ledger_sync(struct dk_ledger *ledger, struct dk_err *err)
{
    if (sim_chance(RATE_io_fail, 100000))
        return dk_fail(err, DK_IO, "the agent's ledger can't be made durable");
    ledger->node->ledger.synced = ledger->node->ledger.count;
    return DK_OK;
}

bool dk_machine_has_ledger(const struct dk_agent *agent)
{
    return node_of(agent)->ledger.exists;
}

/* --- records --- */

static struct record *record_find(const struct node *node, int64_t job, int32_t attempt,
                                  bool is_epilog)
{
    struct record *record = node->records;

    while (record != NULL && (record->is_gone || record->job != job || record->attempt != attempt ||
                              record->is_epilog != is_epilog))
        record = record->next;
    return record;
}

static struct record *record_make(struct node *node, int64_t job, int32_t attempt, bool is_epilog)
{
    struct record *record = calloc(1, sizeof(*record));

    DK_CHECK(record != NULL);
    record->job = job;
    record->attempt = attempt;
    record->is_epilog = is_epilog;
    record->changed = sim->now;
    record->next = node->records;
    node->records = record;
    return record;
}

static void record_sync(struct record *record)
{
    record->on_disk = true;
    record->disk_whole = record->is_whole;
    record->disk = record->now;
}

/* The kernel has written it back by now. */
static void record_age(struct record *record)
{
    if (sim->now - record->changed >= WRITTEN_BACK)
        record_sync(record);
}

static void record_write(struct record *record)
{
    record_age(record);
    if (sim_below(4) == 0) /* it wrote the last one back a moment ago */
        record_sync(record);
    record->is_whole = true;
    record->changed = sim->now;
}

static void record_remove(struct record *record)
{
    record_age(record);
    record->is_gone = true;
    record->gone_at = sim->now;
}

bool dk_machine_record(const struct dk_agent *agent, const struct dk_duty *duty, const char *name,
                       struct dk_task_record *record)
{
    const struct record *found =
        record_find(node_of(agent), duty->job, duty->attempt, strcmp(name, "epilog") == 0);

    if (found == NULL || !found->is_whole)
        return false;
    *record = found->now;
    return true;
}

bool dk_machine_record_soon(const struct dk_agent *agent, const struct dk_duty *duty)
{
    struct dk_task_record record;

    return dk_machine_record(agent, duty, "task", &record);
}

bool dk_machine_has_record(const struct dk_agent *agent, const struct dk_duty *duty)
{
    return record_find(node_of(agent), duty->job, duty->attempt, false) != NULL;
}

bool dk_machine_claim(const struct dk_agent *agent, const struct dk_duty *duty)
{
    if (dk_machine_has_record(agent, duty))
        return false;
    (void)record_make(node_of(agent), duty->job, duty->attempt, false);
    return true;
}

/* --- keepers and their processes --- */

static struct keeper *keeper_by_pid(int pid)
{
    for (uint32_t i = 0; i < sim->node_count; i++)
        for (struct keeper *keeper = sim->nodes[i]->keepers; keeper != NULL; keeper = keeper->next)
            if (keeper->pid == pid)
                return keeper;
    return NULL;
}

int dk_machine_keeper(const struct dk_task_record *record)
{
    const struct keeper *keeper = keeper_by_pid(record->keeper);

    return keeper != NULL && keeper->is_alive ? keeper->pid : -1;
}

static void settle(void *subject, int64_t number)
{
    struct keeper *keeper = subject;
    struct node *node = keeper->node;
    struct dk_duty *duty;

    (void)number;
    if (node->agent == NULL)
        return;
    sim_enter(&node->base);
    duty = dk_duty_find(node->agent, keeper->process.job, keeper->process.attempt);
    if (duty == NULL || duty->pid_fd != keeper->pid)
        return;
    dk_duty_settle(node->agent, duty);
    node_after_event(node);
}

/* The pidfd of a process that has ended is readable at once. */
void dk_machine_watch(struct dk_agent *agent, struct dk_duty *duty, int pid_fd)
{
    struct keeper *keeper = keeper_by_pid(pid_fd);

    (void)agent;
    duty->pid_fd = pid_fd;
    if (keeper != NULL && !keeper->is_alive)
        sim_after(sim_between(10, 500), settle, keeper, 0, &keeper->node->base.life);
}

void dk_machine_unwatch(struct dk_duty *duty)
{
    duty->pid_fd = -1;
}

static void keeper_exits(struct keeper *keeper)
{
    keeper->is_alive = false;
    sim_after(sim_between(10, 500), settle, keeper, 0, &keeper->node->base.life);
}

static void write_end(void *subject, int64_t number)
{
    struct keeper *keeper = subject;
    struct dk_task_record *record;

    if (!keeper->is_alive)
        return;
    record = &keeper->record->now;
    record->stage = DK_TASK_ENDED;
    record->status = (int32_t)number;
    record->ended_us = sim->now + keeper->node->base.skew;
    record_write(keeper->record);
    if (!keeper->node->base.alive || keeper->launcher != keeper->node->launchers)
        record_sync(keeper->record);
    keeper_exits(keeper);
}

static void process_ends(struct keeper *keeper, int status, bool own_end)
{
    if (!keeper->process.running)
        return;
    keeper->process.running = false;
    keeper->process.own_end = own_end;
    keeper->process.exit_code = (status & 0x7f) == 0 ? status >> 8 : 0;
    keeper->process.signal = status & 0x7f;
    sim_say("%s: job %lld.%d ends, status %d%s", keeper->node->base.name,
            (long long)keeper->process.job, keeper->process.attempt, status,
            own_end ? "" : ", as it was told");
    audit_stopped(&keeper->process);
    if (keeper->is_alive)
        sim_after(sim_between(50, 3000), write_end, keeper, status, &keeper->node->machine);
}

static void ends_by_itself(void *subject, int64_t number)
{
    process_ends(subject, (int)number, true);
}

static void ends_by_signal(void *subject, int64_t number)
{
    process_ends(subject, (int)number, false);
}

/* What a script does is a function of the seed, the job and the attempt. */
static void run(void *subject, int64_t number)
{
    struct keeper *keeper = subject;
    struct dk_prng prng;
    int64_t length;
    int status = 0;

    (void)number;
    if (!keeper->is_alive)
        return;
    dk_prng_init(&prng, sim->options.seed * 1000003 + (uint64_t)keeper->process.job * 101 +
                            (uint64_t)keeper->process.attempt);
    length = dk_prng_below(&prng, 8) == 0 ? (int64_t)dk_prng_below(&prng, SECOND / 20)
                                          : (int64_t)dk_prng_below(&prng, 40 * SECOND);
    if (dk_prng_below(&prng, 5) == 0)
        status = (int)(1 + dk_prng_below(&prng, 200)) << 8;
    keeper->is_stubborn =
        sim->rates[RATE_stubborn] > 0 && dk_prng_below(&prng, 100) < sim->rates[RATE_stubborn];
    keeper->record->now.stage = DK_TASK_RUNNING;
    keeper->record->now.task = keeper->pid + 1;
    keeper->record->now.started_us = sim->now + keeper->node->base.skew;
    record_write(keeper->record);
    keeper->process.running = true;
    sim->sum.processes++;
    sim_say("%s: job %lld.%d starts", keeper->node->base.name, (long long)keeper->process.job,
            keeper->process.attempt);
    audit_started(&keeper->process);
    sim_after(length, ends_by_itself, keeper, status, &keeper->node->machine);
}

static void tell_news(void *subject, int64_t number)
{
    struct keeper *keeper = subject;
    struct node *node = keeper->node;
    struct dk_duty *duty;

    (void)number;
    sim_enter(&node->base);
    duty = dk_duty_find(node->agent, keeper->process.job, keeper->process.attempt);
    if (duty == NULL)
        return;
    dk_duty_follow(node->agent, duty, keeper->pid);
    node_after_event(node);
}

static void fork_keeper(void *subject, int64_t number)
{
    struct keeper *keeper = subject;
    struct node *node = keeper->node;
    bool is_epilog = keeper->kind == DK_TASK_EPILOG;

    (void)number;
    if (keeper->is_cancelled)
        return;
    keeper->is_forked = true;
    if (node->base.alive && keeper->launcher == node->launchers)
        sim_after(sim_between(20, 4000), tell_news, keeper, 0, &node->base.life);
    if (record_find(node, keeper->process.job, keeper->process.attempt, is_epilog) != NULL)
        return; /* another has it */
    keeper->is_alive = true;
    keeper->record = record_make(node, keeper->process.job, keeper->process.attempt, is_epilog);
    keeper->record->is_whole = true;
    keeper->record->now = (struct dk_task_record){ .job = keeper->process.job,
                                                   .attempt = keeper->process.attempt,
                                                   .stage = DK_TASK_STARTING,
                                                   .keeper = keeper->pid,
                                                   .keeper_start = (uint64_t)keeper->pid };
    (void)snprintf(keeper->record->now.boot, sizeof(keeper->record->now.boot), "boot-%s-%u",
                   node->base.name, node->boots);
    if (keeper->kind == DK_TASK_BATCH)
        sim_after(sim_between(50, 5000), run, keeper, 0, &node->machine);
    else
        sim_after(sim_between(SECOND / 1000, SECOND / 20), write_end, keeper, 0, &node->machine);
}

static uint64_t bits_of(const struct dk_span *spans, uint32_t count)
{
    uint64_t bits = 0;
    int64_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        at += spans[i].gap;
        for (int64_t k = 0; k < spans[i].count; k++, at++)
            bits |= UINT64_C(1) << at;
    }
    return bits;
}

static void ask_for_keeper(struct dk_agent *agent, struct dk_duty *duty, enum dk_task_kind kind)
{
    const struct dk_run_job *order = dk_duty_order(agent, duty);
    struct node *node = node_of(agent);
    struct keeper *keeper = calloc(1, sizeof(*keeper));

    DK_CHECK(keeper != NULL);
    keeper->node = node;
    keeper->kind = kind;
    keeper->pid = sim->pids += 2;
    keeper->launcher = duty->launcher = node->launchers;
    keeper->process = (struct audit_process){ .node = node->base.name,
                                              .job = duty->job,
                                              .attempt = duty->attempt,
                                              .cores = bits_of(order->cores, order->cores_count),
                                              .gpus = bits_of(order->gpus, order->gpus_count) };
    keeper->next = node->keepers;
    node->keepers = keeper;
    sim_after(sim_between(100, sim_below(10) == 0 ? 200000 : 3000), fork_keeper, keeper, 0,
              &node->machine);
}

enum dk_status dk_machine_launch(struct dk_agent *agent, struct dk_duty *duty, struct dk_err *err)
{
    if (sim_below(200) == 0 && sim->is_safe)
        return dk_fail(err, DK_IO, "the folder of the job can't be made");
    ask_for_keeper(agent, duty, duty->is_first ? DK_TASK_BATCH : DK_TASK_PROLOG);
    return DK_OK;
}

bool dk_machine_epilog(struct dk_agent *agent, struct dk_duty *duty)
{
    if (sim_below(200) == 0 && sim->is_safe)
        return false;
    ask_for_keeper(agent, duty, DK_TASK_EPILOG);
    return true;
}

void dk_machine_remove(struct dk_agent *agent, const struct dk_duty *duty)
{
    for (int i = 0; i < 2; i++) {
        struct record *record = record_find(node_of(agent), duty->job, duty->attempt, i == 1);

        if (record != NULL)
            record_remove(record);
    }
}

/* --- signals --- */

static void signal_process(struct keeper *keeper, int signal)
{
    int64_t delay = sim_between(100, 30000);

    if (!keeper->process.running || signal == SIGCONT)
        return;
    if (signal == SIGKILL) {
        keeper->process.told = true;
    } else if (signal == SIGTERM) {
        if (keeper->is_stubborn)
            return;
        delay = sim_between(1000, SECOND + SECOND / 2);
    } else if (sim_below(2) == 0) {
        return; /* it has a handler */
    }
    sim_after(delay, ends_by_signal, keeper, signal == SIGTERM && sim_below(5) == 0 ? 0 : signal,
              &keeper->node->machine);
}

static struct keeper *keeper_of(const struct dk_agent *agent, const struct dk_duty *duty)
{
    const struct record *record = record_find(node_of(agent), duty->job, duty->attempt, false);
    struct keeper *keeper;

    if (record == NULL || !record->is_whole || record->now.stage == DK_TASK_ENDED)
        return NULL;
    keeper = keeper_by_pid(record->now.keeper);
    return keeper != NULL && keeper->is_alive ? keeper : NULL;
}

void dk_machine_signal_all(const struct dk_agent *agent, const struct dk_duty *duty, int signal)
{
    struct keeper *keeper = keeper_of(agent, duty);

    if (keeper != NULL)
        signal_process(keeper, signal);
}

void dk_machine_signal_batch(const struct dk_agent *agent, const struct dk_duty *duty, int signal)
{
    dk_machine_signal_all(agent, duty, signal);
}

bool dk_machine_kill_left(struct dk_agent *agent, const struct dk_duty *duty)
{
    bool any = false;

    for (struct keeper *keeper = node_of(agent)->keepers; keeper != NULL; keeper = keeper->next)
        if (keeper->process.running && keeper->process.job == duty->job &&
            keeper->process.attempt == duty->attempt) {
            keeper->process.told = true;
            process_ends(keeper, SIGKILL, false);
            any = true;
        }
    return any;
}

void dk_machine_kill_group(const struct dk_agent *agent, const struct dk_duty *duty)
{
    (void)agent;
    (void)duty;
}

bool dk_machine_was_oom(const struct dk_agent *agent, const struct dk_duty *duty)
{
    (void)agent;
    (void)duty;
    return false;
}

/* --- what no duty has --- */

void dk_machine_tidy(struct dk_agent *agent)
{
    (void)agent; /* no cgroups here */
}

void dk_machine_leave_folders(const struct dk_agent *agent)
{
    for (struct record *record = node_of(agent)->records; record != NULL; record = record->next)
        if (!record->is_gone && dk_duty_find(agent, record->job, record->attempt) == NULL)
            record_remove(record);
}

/* --- faults --- */

struct keeper *machine_keeper_any(const struct node *node, uint64_t number)
{
    struct keeper *found = NULL;

    for (struct keeper *keeper = node->keepers; keeper != NULL; keeper = keeper->next)
        if (keeper->is_alive && (found == NULL || number-- % 3 != 0))
            found = keeper;
    return found;
}

void machine_keeper_die(struct keeper *keeper)
{
    keeper_exits(keeper);
}

/* What it had not read is never forked, what it had may still be. */
void machine_launcher_die(struct node *node)
{
    for (struct keeper *keeper = node->keepers; keeper != NULL; keeper = keeper->next)
        if (!keeper->is_forked && sim_below(2) == 0)
            keeper->is_cancelled = true;
}

void machine_wipe(struct node *node)
{
    audit_wiped(node->base.name);
    file_cut(&node->ledger, 0);
    node->ledger.exists = false;
    for (struct record *record = node->records; record != NULL; record = record->next) {
        record->is_gone = true;
        record->on_disk = false;
    }
}

static void record_lose_power(struct record *record)
{
    bool keep = sim_below(2) == 0;

    record_age(record);
    if (record->is_gone) {
        record->is_gone = !record->on_disk || keep || sim->now - record->gone_at >= WRITTEN_BACK;
    } else if (!keep) {
        record->is_gone = !record->on_disk;
    }
    if (record->is_gone) {
        record->on_disk = false;
        return;
    }
    if (!keep) {
        record->now = record->disk;
        record->is_whole = record->disk_whole;
    }
    record_sync(record);
}

void machine_lose_power(struct node *node)
{
    size_t count = node->ledger.synced;

    node->machine++;
    for (struct keeper *keeper = node->keepers; keeper != NULL; keeper = keeper->next) {
        keeper->is_alive = false;
        keeper->is_cancelled = true;
        if (keeper->process.running) {
            keeper->process.told = true;
            process_ends(keeper, SIGKILL, false);
        }
    }
    if (node->ledger.count > count)
        count += (size_t)sim_below(node->ledger.count - count + 1);
    file_cut(&node->ledger, count);
    node->ledger.synced = count;
    for (struct record *record = node->records; record != NULL; record = record->next)
        record_lose_power(record);
}

uint32_t machine_alive(const struct node *node)
{
    uint32_t count = 0;

    for (const struct keeper *keeper = node->keepers; keeper != NULL; keeper = keeper->next)
        count += keeper->process.running || keeper->is_alive;
    return count;
}

void machine_release(struct node *node)
{
    for (struct keeper *next; node->keepers != NULL; node->keepers = next) {
        next = node->keepers->next;
        free(node->keepers);
    }
    for (struct record *next; node->records != NULL; node->records = next) {
        next = node->records->next;
        free(node->records);
    }
    file_cut(&node->ledger, 0);
    free(node->ledger.items);
}
