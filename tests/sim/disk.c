/* disk.c - what the file log writes to: files in memory, and what they held before the last sync
 *
 * The bytes go into real files of a folder in memory. For each write that is not synced yet the old
 * bytes are kept, for each rename that its folder was not synced: when the power goes, any sector
 * may be as it was before, in any combination, and a new name may be gone. The page that writer and
 * readers share is a cache that nobody syncs: it may be old, or not there. */
#include "sim.h"

#include "log/folder.h"
#include "log/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PAGE = 4096, RENAMES_MAX = 8 };

struct undo {
    int fd; /* a duplicate of ours */
    ino_t inode;
    off_t at;         /* of a sector */
    size_t size, old; /* whole sectors; so many bytes there were */
    bool clean;       /* a sync failed, and the kernel thinks no more of it */
    uint8_t *bytes;
};

struct renamed {
    char from[64], to[64];
};

struct sim_disk {
    struct undo *undos;
    size_t count, capacity;
    struct renamed renames[RENAMES_MAX];
    size_t rename_count;
    bool is_full;
    uint8_t page[PAGE]; /* as it may be on the disk */
    bool has_page;
};

static void folder_clear(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[600];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0) {
            folder_clear(name);
            (void)rmdir(name);
        }
    }
    if (dir != NULL)
        (void)closedir(dir);
}

struct sim_disk *sim_disk_create(void)
{
    struct sim_disk *disk = calloc(1, sizeof(*disk));

    DK_CHECK(disk != NULL);
    folder_clear(sim->options.folder);
    return disk;
}

/* --- what a loss of power would take --- */

static struct undo *undo_add(struct sim_disk *disk)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity * 2 + 64;
        disk->undos = realloc(disk->undos, disk->capacity * sizeof(*disk->undos));
        DK_CHECK(disk->undos != NULL);
    }
    return &disk->undos[disk->count++];
}

/* A sync has failed: the kernel thinks no more of what was to be written, sector by sector, until
 * that is written again. */
static void drop_dirty(struct sim_disk *disk, ino_t inode)
{
    size_t count = disk->count;

    for (size_t i = 0; i < count; i++) {
        if (disk->undos[i].inode != inode || disk->undos[i].clean)
            continue;
        disk->undos[i].clean = true;
        while (disk->undos[i].size > SECTOR) { /* its last sector becomes one of its own */
            struct undo *last = undo_add(disk), *undo = &disk->undos[i];
            size_t at = undo->size - SECTOR;

            *last = *undo;
            last->fd = dup(undo->fd);
            last->at = undo->at + (off_t)at;
            last->size = SECTOR;
            last->old = undo->old > at ? undo->old - at : 0;
            last->bytes = malloc(SECTOR);
            DK_CHECK(last->bytes != NULL);
            if (last->old > 0)
                memcpy(last->bytes, undo->bytes + at, last->old);
            undo->size = at;
            undo->old = undo->old < at ? undo->old : at;
        }
    }
}

static void remember(struct sim_disk *disk, int fd, off_t from, size_t size)
{
    off_t at = from / SECTOR * SECTOR, limit = (from + (off_t)size + SECTOR - 1) / SECTOR * SECTOR;
    struct undo *undo;
    struct stat stat;
    ssize_t n;

    DK_CHECK(fstat(fd, &stat) == 0);
    for (size_t i = 0; i < disk->count; i++)
        if (disk->undos[i].inode == stat.st_ino && disk->undos[i].at < limit &&
            disk->undos[i].at + (off_t)disk->undos[i].size > at)
            disk->undos[i].clean = false;
    undo = undo_add(disk);
    *undo = (struct undo){
        .fd = dup(fd), .inode = stat.st_ino, .at = at, .size = (size_t)(limit - at)
    };
    if (at < stat.st_size) { /* else it was beyond the end */
        undo->bytes = malloc(undo->size);
        DK_CHECK(undo->bytes != NULL);
        n = pread(fd, undo->bytes, undo->size, at);
        undo->old = n > 0 ? (size_t)n : 0;
    }
}

static void forget(struct sim_disk *disk, ino_t inode)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->count; i++) {
        if (inode == 0 || (disk->undos[i].inode == inode && !disk->undos[i].clean)) {
            (void)close(disk->undos[i].fd);
            free(disk->undos[i].bytes);
        } else {
            disk->undos[kept++] = disk->undos[i];
        }
    }
    disk->count = kept;
}

static void lose_sector(const struct undo *undo, size_t at)
{
    static const uint8_t zero[SECTOR];
    size_t old = undo->old > at ? undo->old - at : 0;
    struct stat stat;

    if (old > SECTOR)
        old = SECTOR;
    if (old > 0)
        (void)!pwrite(undo->fd, undo->bytes + at, old, undo->at + (off_t)at);
    if (old < SECTOR && fstat(undo->fd, &stat) == 0 &&
        stat.st_size > undo->at + (off_t)(at + old)) {
        size_t rest = (size_t)(stat.st_size - undo->at) - at - old;

        (void)!pwrite(undo->fd, zero, rest < SECTOR - old ? rest : SECTOR - old,
                      undo->at + (off_t)(at + old));
    }
}

static int page_open(int flags)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/page", sim->log_dir);
    return open(path, flags | O_CLOEXEC, 0644);
}

/* The kernel writes the page back when it likes. */
static void page_written(struct sim_disk *disk)
{
    int fd = page_open(O_RDONLY);

    if (fd < 0)
        return;
    disk->has_page = pread(fd, disk->page, PAGE, 0) == PAGE;
    (void)close(fd);
}

static void page_lose(struct sim_disk *disk)
{
    uint64_t how = sim_below(4);
    char path[300];
    int fd;

    if (how == 0) /* it was just written */
        page_written(disk);
    memset(disk->page + offsetof(struct dk_page, boot), 'x', DK_BOOT_SIZE - 1); /* another boot */
    (void)snprintf(path, sizeof(path), "%s/page", sim->log_dir);
    (void)unlink(path);
    if (how == 1 || !disk->has_page)
        return;
    fd = page_open(O_RDWR | O_CREAT);
    DK_CHECK(fd >= 0 && pwrite(fd, disk->page, PAGE, 0) == PAGE);
    (void)close(fd);
}

void sim_disk_power_loss(struct sim_disk *disk)
{
    uint64_t odds = sim_below(5); /* from nothing lost to all lost */
    char from[400], to[400];

    for (size_t i = disk->count; i-- > 0;)
        for (size_t at = 0; at < disk->undos[i].size; at += SECTOR)
            if (sim_below(4) < odds)
                lose_sector(&disk->undos[i], at);
    forget(disk, 0);
    for (; disk->rename_count > 0; disk->rename_count--) {
        const struct renamed *renamed = &disk->renames[disk->rename_count - 1];

        (void)snprintf(from, sizeof(from), "%s/%s", sim->log_dir, renamed->from);
        (void)snprintf(to, sizeof(to), "%s/%s", sim->log_dir, renamed->to);
        if (sim_below(2) == 0)
            (void)rename(to, from);
    }
    page_lose(disk);
}

void sim_disk_full(struct sim_disk *disk, bool full)
{
    disk->is_full = full;
}

/* --- the four calls --- */

enum { OFTEN = 1000000, SELDOM = 50000 }; /* of calls that are made often, and seldom */

/* Does the writer die here? Then nothing more of it reaches the disk. */
static bool dies(struct sim_writer *writer, uint64_t of)
{
    if (!writer->dead && sim_chance(RATE_io_crash, of)) {
        sim_say("%s: dies in a write, sync or rename", writer->process->name);
        writer->dead = true;
    }
    errno = EIO;
    return writer->dead;
}

static bool fails(const struct sim_writer *writer, uint64_t of)
{
    if (!sim_chance(RATE_io_fail, of))
        return false;
    sim_say("%s: a write, sync or rename fails", writer->process->name);
    errno = EIO;
    return true;
}

static ssize_t disk_write(void *ctx, int fd, const void *bytes, size_t size, off_t at)
{
    struct sim_writer *writer = ctx;
    size_t part = size;

    if (writer->dead) {
        errno = EIO;
        return -1;
    }
    remember(sim->disk, fd, at, size);
    if (sim_below(256) == 0)
        page_written(sim->disk);
    if (dies(writer, OFTEN) || fails(writer, OFTEN)) {
        part = (size_t)sim_below(size + 1);
        (void)!pwrite(fd, bytes, part, at);
        errno = EIO;
        return -1;
    }
    if (sim->disk->is_full) {
        struct stat stat;
        off_t room = fstat(fd, &stat) == 0 && stat.st_size > at ? stat.st_size - at : 0;

        part = (off_t)size <= room ? size : (size_t)room; /* what has its blocks already */
        if (part == 0) {
            errno = ENOSPC;
            return -1;
        }
    } else if (size > 1 && sim->is_safe && sim_below(500) == 0) {
        part = 1 + (size_t)sim_below(size - 1); /* a short write is no error */
    }
    return pwrite(fd, bytes, part, at);
}

static int sync_file(struct sim_writer *writer, int fd, uint64_t of)
{
    struct stat stat;

    if (dies(writer, of))
        return -1;
    DK_CHECK(fstat(fd, &stat) == 0);
    if (fails(writer, of / 4)) {
        drop_dirty(sim->disk, stat.st_ino);
        errno = EIO;
        return -1;
    }
    forget(sim->disk, stat.st_ino);
    if (S_ISDIR(stat.st_mode))
        sim->disk->rename_count = 0;
    return 0;
}

static int disk_sync(void *ctx, int fd)
{
    return sync_file(ctx, fd, OFTEN / 2);
}

static int disk_sync_new(void *ctx, int fd)
{
    return sync_file(ctx, fd, SELDOM);
}

static int disk_rename(void *ctx, int dir_fd, const char *from, const char *to)
{
    struct sim_writer *writer = ctx;
    struct renamed *renamed;

    if (dies(writer, SELDOM) || fails(writer, SELDOM))
        return -1;
    if (renameat(dir_fd, from, dir_fd, to) != 0)
        return -1;
    DK_CHECK(sim->disk->rename_count < RENAMES_MAX);
    renamed = &sim->disk->renames[sim->disk->rename_count++];
    (void)snprintf(renamed->from, sizeof(renamed->from), "%s", from);
    (void)snprintf(renamed->to, sizeof(renamed->to), "%s", to);
    return 0;
}

struct sim_writer *sim_writer_make(struct process *process)
{
    struct sim_writer *writer = sim_take(sizeof(*writer));

    writer->process = process;
    writer->io = sim_take(sizeof(*writer->io));
    *writer->io = (struct dk_log_io){ writer, disk_write, disk_sync, disk_sync_new, disk_rename };
    return writer;
}

void sim_disk_destroy(struct sim_disk *disk)
{
    if (disk == NULL)
        return;
    forget(disk, 0);
    free(disk->undos);
    free(disk);
}

/* --- a bad sector --- */

void sim_disk_flip(void)
{
    DIR *dir = opendir(sim->log_dir);
    char names[64][64], path[400];
    struct dirent *entry;
    uint64_t count = 0, at;
    struct stat stat;
    uint8_t byte;
    int fd;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (count < 64 && strstr(entry->d_name, "seg") != NULL)
            (void)snprintf(names[count++], 64, "%.63s", entry->d_name);
    if (dir != NULL)
        (void)closedir(dir);
    if (count == 0)
        return;
    /* The folder's order is not ours: by name. */
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t j = i + 1; j < count; j++)
            if (strcmp(names[i], names[j]) > 0) {
                char name[64];

                memcpy(name, names[i], 64);
                memcpy(names[i], names[j], 64);
                memcpy(names[j], name, 64);
            }
    (void)snprintf(path, sizeof(path), "%s/%s", sim->log_dir, names[sim_below(count)]);
    fd = open(path, O_RDWR | O_CLOEXEC);
    DK_CHECK(fd >= 0 && fstat(fd, &stat) == 0);
    at = sim_below((uint64_t)stat.st_size);
    DK_CHECK(pread(fd, &byte, 1, (off_t)at) == 1);
    byte ^= (uint8_t)(1u << sim_below(8));
    DK_CHECK(pwrite(fd, &byte, 1, (off_t)at) == 1);
    sim_say("bit of byte %llu of '%s' is turned over", (unsigned long long)at, path);
    (void)close(fd);
}
