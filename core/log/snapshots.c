/* snapshots.c - see snapshots.h */
#include "log/snapshots.h"

#include "base/crc32c.h"
#include "log/folder.h"
#include "log/frame.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define HEADER_SIZE 32u
#define MAGIC "DKSNAP01"
#define SUFFIX ".snap"
#define LEVEL 1 /* 3 packs no better and is slower; a snapshot is waited for */

static int open_folder(const char *dir, bool create, struct dk_err *err)
{
    int fd, dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0) {
        (void)dk_fail_errno(err, "opening", dir);
        return -1;
    }
    if (create && mkdirat(dir_fd, "snapshots", 0755) == 0)
        (void)fsync(dir_fd);
    fd = openat(dir_fd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)dk_fail_errno(err, "opening", "snapshots");
    (void)close(dir_fd);
    return fd;
}

/* The newest snapshot below `limit` (0: none), how many there are, and sweeps *.tmp if asked to. */
static uint64_t newest_below(int fd, uint64_t limit, unsigned *count, bool sweep)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    uint64_t newest = 0;

    *count = 0;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char name[DK_SEGMENT_NAME_MAX];
        uint64_t seq = 0;

        if (sweep && strlen(entry->d_name) > 4 &&
            strcmp(entry->d_name + strlen(entry->d_name) - 4, ".tmp") == 0)
            (void)unlinkat(fd, entry->d_name, 0);
        for (int i = 0; i < 20 && entry->d_name[i] >= '0' && entry->d_name[i] <= '9'; i++)
            seq = seq * 10 + (uint64_t)(entry->d_name[i] - '0');
        dk_segment_name_put(name, seq, SUFFIX);
        if (seq == 0 || strcmp(name, entry->d_name) != 0)
            continue;
        (*count)++;
        if (seq < limit && seq > newest)
            newest = seq;
    }
    if (folder != NULL)
        (void)closedir(folder);
    else if (copy >= 0)
        (void)close(copy);
    return newest;
}

static void keep_newest(int fd, unsigned keep)
{
    uint64_t seq = UINT64_MAX;
    unsigned count;

    for (unsigned i = 0; (seq = newest_below(fd, seq, &count, true)) != 0; i++) {
        char name[DK_SEGMENT_NAME_MAX];

        dk_segment_name_put(name, seq, SUFFIX);
        if (i >= keep)
            (void)unlinkat(fd, name, 0);
    }
}

static enum dk_status write_file(int folder_fd, const char *temporary, const uint8_t *bytes,
                                 size_t size, struct dk_err *err)
{
    int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enum dk_status status;
    size_t written;

    if (fd < 0)
        return dk_fail_errno(err, "creating", temporary);
    status = dk_io_write_all(&dk_log_io_system, fd, bytes, size, 0, &written, err);
    if (status == DK_OK && fsync(fd) != 0)
        status = dk_fail_errno(err, "syncing", temporary);
    if (close(fd) != 0 && status == DK_OK)
        status = dk_fail_errno(err, "closing", temporary);
    return status;
}

enum dk_status dk_snapshots_save(const char *dir, uint64_t seq, const void *bytes, size_t size,
                                 unsigned keep, struct dk_err *err)
{
    char name[DK_SEGMENT_NAME_MAX], temporary[DK_SEGMENT_NAME_MAX];
    size_t bound = HEADER_SIZE + ZSTD_compressBound(size), packed;
    enum dk_status status = DK_IO;
    uint8_t *out;
    int fd = open_folder(dir, true, err);

    if (fd < 0)
        return err != NULL ? err->status : DK_IO;
    out = dk_alloc_new(&dk_heap, bound);
    packed = ZSTD_compress(out + HEADER_SIZE, bound - HEADER_SIZE, bytes, size, LEVEL);
    if (ZSTD_isError(packed)) {
        status = dk_fail(err, DK_IO, "packing the snapshot of seq %" PRIu64 " failed: %s", seq,
                         ZSTD_getErrorName(packed));
        goto done;
    }
    memcpy(out, MAGIC, 8);
    dk_put_u32(out + 12, 1);
    dk_put_u64(out + 16, seq);
    dk_put_u64(out + 24, size);
    dk_put_u32(out + 8, dk_crc32c(0, out + 12, HEADER_SIZE - 12 + packed));
    dk_segment_name_put(name, seq, SUFFIX);
    dk_segment_name_put(temporary, seq, SUFFIX ".tmp");
    status = write_file(fd, temporary, out, HEADER_SIZE + packed, err);
    if (status == DK_OK && renameat(fd, temporary, fd, name) != 0)
        status = dk_fail_errno(err, "renaming", temporary);
    if (status == DK_OK && fsync(fd) != 0)
        status = dk_fail_errno(err, "syncing", "snapshots");
    if (status == DK_OK)
        keep_newest(fd, keep > 0 ? keep : 1);
    else
        (void)unlinkat(fd, temporary, 0);
done:
    dk_alloc_free(&dk_heap, out, bound);
    (void)close(fd);
    return status;
}

static bool unpack(const uint8_t *file, size_t file_size, uint64_t seq, struct dk_buf *buf)
{
    uint64_t size;
    uint8_t *room;

    if (file_size < HEADER_SIZE || memcmp(file, MAGIC, 8) != 0 || dk_get_u32(file + 12) != 1 ||
        dk_get_u64(file + 16) != seq ||
        dk_get_u32(file + 8) != dk_crc32c(0, file + 12, file_size - 12))
        return false;
    size = dk_get_u64(file + 24);
    if (size > DK_SNAPSHOT_SIZE_MAX ||
        ZSTD_getFrameContentSize(file + HEADER_SIZE, file_size - HEADER_SIZE) != size)
        return false;
    dk_buf_clear(buf);
    room = dk_buf_room(buf, size > 0 ? (size_t)size : 1);
    if (room == NULL)
        return false;
    buf->size = ZSTD_decompress(room, (size_t)size, file + HEADER_SIZE, file_size - HEADER_SIZE);
    if (buf->size == size)
        return true;
    buf->size = 0;
    return false;
}

static bool load_one(int folder_fd, const char *name, uint64_t seq, struct dk_buf *buf)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    void *map = MAP_FAILED;
    bool good = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &stat) == 0 && stat.st_size > 0)
        map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
        good = unpack(map, (size_t)stat.st_size, seq, buf);
        (void)munmap(map, (size_t)stat.st_size);
    }
    (void)close(fd);
    return good;
}

enum dk_status dk_snapshots_load(const char *dir, uint64_t seq_max, uint64_t *seq,
                                 struct dk_buf *buf, struct dk_err *err)
{
    uint64_t limit = seq_max < UINT64_MAX ? seq_max + 1 : seq_max;
    int fd = open_folder(dir, false, err);
    unsigned count, damaged = 0;

    *seq = 0;
    if (fd < 0)
        return dk_fail(err, DK_NOT_FOUND, "no snapshots in '%s'", dir);
    if (err != NULL)
        err->text[0] = '\0';
    while ((limit = newest_below(fd, limit, &count, false)) != 0) {
        char name[DK_SEGMENT_NAME_MAX];

        dk_segment_name_put(name, limit, SUFFIX);
        if (load_one(fd, name, limit, buf)) {
            *seq = limit;
            break;
        }
        damaged++;
        (void)dk_fail(err, DK_OK, "snapshot '%s' is damaged and was passed over", name);
    }
    (void)close(fd);
    if (*seq != 0)
        return DK_OK;
    return dk_fail(err, DK_NOT_FOUND, "no whole snapshot in '%s' (%u damaged)", dir, damaged);
}
