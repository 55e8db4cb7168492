/* folder.c - see folder.h
 *
 * Open file description locks, not the older record locks: those vanish when any descriptor of the
 * file is closed, and a reader in the writer's process opens and closes one.
 */
#define _GNU_SOURCE /* F_OFD_SETLK, syscall */
#include "log/folder.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE 4096
#define PAGE_MAGIC UINT64_C(0x3145474150474b44) /* "DKGPAGE1" */

_Static_assert(sizeof(struct dk_page) <= PAGE_SIZE, "the page is one page");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "a futex is 32 bits");

enum dk_status dk_fail_errno(struct dk_err *err, const char *what, const char *subject)
{
    int error = errno;
    char text[128];
    enum dk_status status = DK_IO;

    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        status = DK_FULL;
    else if (error == ENOENT)
        status = DK_NOT_FOUND;
    return dk_fail(err, status, "%s '%s' failed: %s", what, subject,
                   strerror_r(error, text, sizeof(text)));
}

void dk_segment_name_put(char name[DK_SEGMENT_NAME_MAX], uint64_t seq_first, const char *suffix)
{
    (void)snprintf(name, DK_SEGMENT_NAME_MAX, "%020" PRIu64 "%s", seq_first, suffix);
}

static bool name_get(const char *text, struct dk_segment_name *name)
{
    uint64_t seq = 0;

    for (int i = 0; i < 20; i++) {
        if (text[i] < '0' || text[i] > '9' || seq > (UINT64_MAX - 9) / 10)
            return false;
        seq = seq * 10 + (uint64_t)(text[i] - '0');
    }
    name->seq_first = seq;
    name->plain = strcmp(text + 20, ".seg") == 0;
    name->packed = strcmp(text + 20, ".zseg") == 0;
    return seq > 0 && (name->plain || name->packed);
}

static int by_seq(const void *a, const void *b)
{
    const struct dk_segment_name *left = a, *right = b;

    return (left->seq_first > right->seq_first) - (left->seq_first < right->seq_first);
}

static DIR *open_folder(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL && fd >= 0)
        (void)close(fd);
    return dir;
}

static void list_add(struct dk_folder_list *list, struct dk_segment_name name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? list->capacity * 2 : 64;

        list->names =
            dk_heap.resize(dk_heap.ctx, list->names, list->capacity * sizeof(*list->names),
                           capacity * sizeof(*list->names));
        list->capacity = capacity;
    }
    list->names[list->count++] = name;
}

enum dk_status dk_folder_list(struct dk_folder_list *list, int dir_fd, struct dk_err *err)
{
    struct dk_segment_name name;
    struct dirent *entry;
    size_t kept = 0;
    DIR *dir;

    memset(list, 0, sizeof(*list));
    dir = open_folder(dir_fd);
    if (dir == NULL)
        return dk_fail_errno(err, "reading", "the log's folder");
    while ((entry = readdir(dir)) != NULL)
        if (name_get(entry->d_name, &name))
            list_add(list, name);
    (void)closedir(dir);
    if (list->count > 0)
        qsort(list->names, list->count, sizeof(*list->names), by_seq);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && list->names[kept - 1].seq_first == list->names[i].seq_first)
            list->names[kept - 1].plain = list->names[kept - 1].packed = true;
        else
            list->names[kept++] = list->names[i];
    }
    list->count = kept;
    return DK_OK;
}

void dk_folder_list_release(struct dk_folder_list *list)
{
    dk_alloc_free(&dk_heap, list->names, list->capacity * sizeof(*list->names));
    memset(list, 0, sizeof(*list));
}

void dk_folder_sweep(int dir_fd)
{
    struct dirent *entry;
    DIR *dir = open_folder(dir_fd);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t size = strlen(entry->d_name);

        if (size > 4 && strcmp(entry->d_name + size - 4, ".tmp") == 0)
            (void)unlinkat(dir_fd, entry->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

enum dk_status dk_io_write_all(const struct dk_log_io *io, int fd, const void *bytes, size_t size,
                               uint64_t at, size_t *written, struct dk_err *err)
{
    *written = 0;
    while (*written < size) {
        ssize_t n = io->write(io->ctx, fd, (const uint8_t *)bytes + *written, size - *written,
                              (off_t)(at + *written));

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return dk_fail_errno(err, "writing", "the log");
        *written += (size_t)n;
    }
    return DK_OK;
}

enum dk_status dk_page_map(struct dk_page **page, int dir_fd, bool write, struct dk_err *err)
{
    static const uint8_t zeros[PAGE_SIZE];
    int fd =
        openat(dir_fd, "page", write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0644);
    struct stat stat;
    void *memory = MAP_FAILED;

    *page = NULL;
    if (fd < 0)
        return write ? dk_fail_errno(err, "opening", "page") : DK_OK;
    /* Written, not only sized: a page in a hole would need space at the first store to it, and on a
     * full disk that is not an error but a signal. */
    if (fstat(fd, &stat) == 0 &&
        (stat.st_size >= PAGE_SIZE || (write && pwrite(fd, zeros, PAGE_SIZE, 0) == PAGE_SIZE)))
        memory =
            mmap(NULL, PAGE_SIZE, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (memory == MAP_FAILED)
        return write ? dk_fail_errno(err, "mapping", "page") : DK_OK;
    *page = memory;
    if (write && ((*page)->magic != PAGE_MAGIC || (*page)->version != 1)) {
        memset(memory, 0, PAGE_SIZE);
        (*page)->version = 1;
        (*page)->magic = PAGE_MAGIC;
    } else if ((*page)->magic != PAGE_MAGIC || (*page)->version != 1) {
        dk_page_unmap(*page);
        *page = NULL;
    }
    return DK_OK;
}

void dk_page_unmap(struct dk_page *page)
{
    if (page != NULL)
        (void)munmap(page, PAGE_SIZE);
}

/* Empty when it can't be read: then no page is of this boot. */
static void boot_read(char boot[DK_BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(boot, 0, DK_BOOT_SIZE);
    if (fd < 0)
        return;
    if (read(fd, boot, DK_BOOT_SIZE - 1) < 0)
        boot[0] = '\0';
    (void)close(fd);
}

bool dk_page_is_of_this_boot(const struct dk_page *page)
{
    char boot[DK_BOOT_SIZE];

    boot_read(boot);
    return boot[0] != '\0' && memcmp(page->boot, boot, DK_BOOT_SIZE) == 0;
}

void dk_page_note_boot(struct dk_page *page)
{
    boot_read(page->boot);
}

void dk_page_wake(struct dk_page *page)
{
    (void)atomic_fetch_add(&page->wakes, 1);
    (void)syscall(SYS_futex, &page->wakes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool dk_page_wait(const struct dk_page *page, uint32_t seen, int64_t timeout_ms)
{
    struct timespec span = { timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000 };
    long result =
        syscall(SYS_futex, &page->wakes, FUTEX_WAIT, seen, timeout_ms < 0 ? NULL : &span, NULL, 0);

    return result == 0 || errno == EAGAIN;
}

int64_t dk_clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum dk_status dk_lock_take(int *lock_fd, int dir_fd, const char *folder, struct dk_err *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    char pid[24] = "";
    ssize_t size;

    *lock_fd = -1;
    if (fd < 0)
        return dk_fail_errno(err, "opening", "lock");
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        size = pread(fd, pid, sizeof(pid) - 1, 0);
        pid[size > 0 ? size : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        (void)close(fd);
        return dk_fail(err, DK_BUSY, "log 'file:%s' has a writer already: process %s", folder,
                       pid[0] != '\0' ? pid : "unknown");
    }
    size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size) {
        /* only the message of the next one suffers */
    }
    *lock_fd = fd;
    return DK_OK;
}

int dk_lock_look(int dir_fd)
{
    return openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
}

bool dk_lock_is_held(int lock_fd)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

    return lock_fd >= 0 && fcntl(lock_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
