/*
 * Stands between a process and the C library (LD_PRELOAD): writes down what is asked of the disk below one folder,
 * and fails or delays what it is told to. It knows calls, not SQLite: what Python itself does to files is seen too.
 *
 * Not seen: memory-mapped writes. SQLite makes them to -shm files only, which no power cut keeps.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 4096
#define FILES_MAX 65536
#define ROOM (3 * PATH_MAX)
#define FORKED_FILES_MAX 1000
#define DIE (-1)    /* as an error to fail with: the process ends at once, as by SIGKILL */
#define FOLDER (-1) /* as the number of a file: the watched folder, or one below it whose name follows */

/* Kinds of records; the reader in Python has the same letters. */
#define CREATE 'C'   /* a file was made, or met (then `at` is negative): `at` is its inode, its name follows */
#define WRITE 'W'    /* the written bytes follow */
#define TRUNCATE 'T' /* `at` is the new size */
#define SYNC 'S'
#define SYNC_FAILED 'X'
#define UNLINK 'U' /* a name follows */
#define RENAME 'R' /* two names follow, with a NUL between; they may be folders */
#define LINK 'L'   /* as above: a second name */
#define FOLDER_MADE 'D' /* a name follows */
#define MARK 'M'   /* bytes of the recorded program follow */

struct record {
    char kind;
    int32_t file;
    int64_t at;
    uint32_t bytes;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX]; /* empty: nothing is watched */
static size_t folder_length;
static int trace = -1;
static int file_of[DESCRIPTORS_MAX]; /* 0: not watched */
static char *folder_of[DESCRIPTORS_MAX]; /* the name of a FOLDER below the watched one, as it was opened */
static struct { dev_t device; ino_t inode; char name[128]; } files[FILES_MAX];
static int file_count;

static struct { char kind; char ending[64]; long from, count, seen; int error; long delay_ms; } fault;
static long life; /* so many calls from now the process dies, as by SIGKILL; 0: it lives */

#define REAL(call) \
    static __typeof__(call) *original; \
    if (!original) original = (__typeof__(call) *)dlsym(RTLD_NEXT, #call)

static const char *control; /* a file's name */

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_TAP_FOLDER");
    control = getenv("DISK_TAP_CONTROL");
    if (path && control) {
        snprintf(folder, sizeof folder, "%s", path);
        folder_length = strlen(folder);
    }
}

static void put(char kind, int file, int64_t at, const void *body, size_t bytes) {
    struct record head = {kind, file, at, (uint32_t)bytes};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)body, bytes}};
    if (trace >= 0 && syscall(SYS_writev, trace, parts, 2) != (long)(sizeof head + bytes)) abort();
}

/* A call that changes something, or may: the process may die right before it. */
static void step(const char *path) {
    if (!path || !life || --life) return;
    kill(getpid(), SIGKILL);
}

/* The part of a path behind the folder, or NULL. */
static const char *inside(const char *path) {
    if (!folder_length || strncmp(path, folder, folder_length)) return NULL;
    if (path[folder_length] == '\0') return "";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int known_file(const char *name, int created) {
    struct stat seen;
    char path[PATH_MAX + 130];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &seen)) return 0;
    for (int file = file_count; file > 0 && !created; file--)
        if (files[file].device == seen.st_dev && files[file].inode == seen.st_ino) return file;
    if (file_count + 1 >= FILES_MAX) abort();
    file_count++;
    files[file_count].device = seen.st_dev;
    files[file_count].inode = seen.st_ino;
    snprintf(files[file_count].name, sizeof files[0].name, "%s", name);
    put(CREATE, file_count, created ? (int64_t)seen.st_ino : -(int64_t)seen.st_ino, name, strlen(name));
    return file_count;
}

static int watched(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS_MAX && folder_length ? file_of[descriptor] : 0;
}

/* For programs that do not know of the tap: what to fail stands in a file, as long as there is one. */
static void read_control(void) {
    char text[128] = "";
    int file = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    fault.kind = 0;
    if (file < 0) return;
    if (syscall(SYS_read, file, text, sizeof text - 1) > 0 &&
        sscanf(text, "%c %63s %d %ld", &fault.kind, fault.ending, &fault.error, &fault.delay_ms) == 4) {
        fault.from = 0;
        fault.count = LONG_MAX;
        fault.seen = 0;
    }
    syscall(SYS_close, file);
}

/* Whether this call is to fail now; `errno` is set then. Delays are made here. */
static int failing(char kind, int file) {
    if (control) read_control();
    if (fault.kind != kind || file == 0) return 0;
    const char *name = file == FOLDER ? "/" : files[file].name;
    size_t length = strlen(name), ending = strlen(fault.ending);
    if (length < ending || strcmp(name + length - ending, fault.ending)) return 0;
    fault.seen++;
    if (fault.seen < fault.from || fault.seen >= fault.from + fault.count) return 0;
    if (fault.delay_ms) {
        struct timespec pause = {fault.delay_ms / 1000, fault.delay_ms % 1000 * 1000000};
        pthread_mutex_unlock(&lock); /* whoever has nothing to do with this disk goes on */
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
    }
    if (fault.error == DIE) _exit(0);
    if (fault.error) errno = fault.error;
    return fault.error != 0;
}

/* --- for the recorded program, by ctypes ------------------------------------------------------------------ */

/* Begin to watch `path` (absolute); what is asked of it goes to the file `trace_file`, if it is not empty. */
void tap_start(const char *path, const char *trace_file) {
    pthread_mutex_lock(&lock);
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
    file_count = 0;
    memset(file_of, 0, sizeof file_of);
    trace = *trace_file ? (int)syscall(SYS_openat, AT_FDCWD, trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    pthread_mutex_unlock(&lock);
}

void tap_stop(void) {
    pthread_mutex_lock(&lock);
    if (trace >= 0) syscall(SYS_close, trace);
    trace = -1;
    folder_length = 0;
    fault.kind = 0;
    life = 0;
    pthread_mutex_unlock(&lock);
}

void tap_mark(const char *body, size_t bytes) {
    pthread_mutex_lock(&lock);
    put(MARK, 0, 0, body, bytes);
    pthread_mutex_unlock(&lock);
}

/* Let calls number from … from + count - 1 of a kind, on files whose names end so, wait and then fail with `error`. */
void tap_fail(char kind, const char *ending, long from, long count, int error, long delay_ms) {
    pthread_mutex_lock(&lock);
    fault.kind = kind;
    snprintf(fault.ending, sizeof fault.ending, "%s", ending);
    fault.from = from;
    fault.count = count;
    fault.seen = 0;
    fault.error = error;
    fault.delay_ms = delay_ms;
    pthread_mutex_unlock(&lock);
}

/* A forked child wrote into the trace and is gone: what it numbered is met anew, under numbers of our own. */
void tap_forget(void) {
    pthread_mutex_lock(&lock);
    memset(files, 0, sizeof files);
    file_count += FORKED_FILES_MAX;
    pthread_mutex_unlock(&lock);
}

/* Let the process die before call number `calls` from now on, of those that may change the folder. */
void tap_die(long calls) { life = calls; }

/* How many calls the last `tap_fail` has looked at. */
long tap_seen(void) { return fault.seen; }

/* --- the C library's calls -------------------------------------------------------------------------------- */

/* The path that a call means which names a folder by a descriptor. */
static const char *path_of(int at, const char *path, char *room) {
    if (at < 0 || at >= DESCRIPTORS_MAX || *path == '/' || !folder_length || file_of[at] != FOLDER) return path;
    const char *below = folder_of[at] ? folder_of[at] : "";
    snprintf(room, ROOM, "%s/%s%s%s", folder, below, *below ? "/" : "", path);
    return room;
}

static int opened(int descriptor, const char *path, int flags, int existed) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX) return descriptor;
    const char *name = inside(path);
    struct stat seen;
    int file = 0;
    free(folder_of[descriptor]);
    folder_of[descriptor] = NULL;
    if (name && fstat(descriptor, &seen) == 0 && S_ISDIR(seen.st_mode)) {
        file = FOLDER;
        if (*name) folder_of[descriptor] = strdup(name);
    } else if (name) {
        file = known_file(name, !existed);
        if (existed && flags & O_TRUNC) put(TRUNCATE, file, 0, NULL, 0);
    }
    file_of[descriptor] = file;
    return descriptor;
}

typedef int (*open_call)(int, const char *, int, ...);

static int open_by(open_call original, int at, const char *path, int flags, mode_t mode) {
    char room[ROOM];
    pthread_mutex_lock(&lock);
    struct stat seen;
    const char *whole = path_of(at, path, room);
    int existed = !inside(whole) || stat(whole, &seen) == 0;
    if (flags & (O_CREAT | O_TRUNC)) step(inside(whole));
    int descriptor = opened(original(at, path, flags, mode), whole, flags, existed);
    pthread_mutex_unlock(&lock);
    return descriptor;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
#define AT_CWD(name, call) \
    int name(const char *path, int flags, ...) { MODE(flags) REAL(call); return open_by(original, AT_FDCWD, path, flags, mode); }

AT_CWD(open, openat)
AT_CWD(open64, openat64)
int openat(int at, const char *path, int flags, ...) { MODE(flags) REAL(openat); return open_by(original, at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) REAL(openat64); return open_by(original, at, path, flags, mode); }

int close(int descriptor) {
    REAL(close);
    pthread_mutex_lock(&lock);
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) file_of[descriptor] = 0;
    int result = original(descriptor);
    pthread_mutex_unlock(&lock);
    return result;
}

/* What changes a file by its descriptor. */
static int changed(int descriptor) {
    int file = watched(descriptor);
    if (file) step("");
    return file;
}

ssize_t pwrite64(int descriptor, const void *body, size_t bytes, off64_t at) {
    REAL(pwrite64);
    int file = changed(descriptor);
    if (!file) return original(descriptor, body, bytes, at);
    pthread_mutex_lock(&lock);
    ssize_t done = failing(WRITE, file) ? -1 : original(descriptor, body, bytes, at);
    if (done > 0) put(WRITE, file, at, body, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite(int descriptor, const void *body, size_t bytes, off_t at) { return pwrite64(descriptor, body, bytes, at); }

ssize_t write(int descriptor, const void *body, size_t bytes) {
    REAL(write);
    int file = changed(descriptor);
    if (!file) return original(descriptor, body, bytes);
    pthread_mutex_lock(&lock);
    ssize_t done = failing(WRITE, file) ? -1 : original(descriptor, body, bytes);
    if (done > 0) put(WRITE, file, lseek64(descriptor, 0, SEEK_CUR) - done, body, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int descriptor, off64_t size) {
    REAL(ftruncate64);
    int file = changed(descriptor);
    pthread_mutex_lock(&lock);
    int result = failing(TRUNCATE, file) ? -1 : original(descriptor, size);
    if (file && !result) put(TRUNCATE, file, size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

/* Reserved room: as far as a power cut is concerned, zeros up to a new size. */
int posix_fallocate64(int descriptor, off64_t at, off64_t bytes) {
    REAL(posix_fallocate64);
    int file = changed(descriptor);
    pthread_mutex_lock(&lock);
    int result = failing(WRITE, file) ? errno : original(descriptor, at, bytes);
    struct stat now;
    if (file && !result && !fstat(descriptor, &now)) put(TRUNCATE, file, now.st_size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int posix_fallocate(int descriptor, off_t at, off_t bytes) { return posix_fallocate64(descriptor, at, bytes); }

static int sync_by(int (*original)(int), int descriptor) {
    int file = changed(descriptor);
    if (!file) return original(descriptor);
    pthread_mutex_lock(&lock);
    int fails = failing(SYNC, file);
    int result = fails ? -1 : original(descriptor);
    const char *name = file == FOLDER && folder_of[descriptor] ? folder_of[descriptor] : "";
    put(fails ? SYNC_FAILED : SYNC, file, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return result;
}
int fsync(int descriptor) { REAL(fsync); return sync_by(original, descriptor); }
int fdatasync(int descriptor) { REAL(fdatasync); return sync_by(original, descriptor); }

static int removed(int result, const char *path) {
    const char *name = inside(path);
    if (name && !result) put(UNLINK, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return result;
}

#define REMOVE(call) \
    int call(const char *path) { \
        REAL(call); \
        pthread_mutex_lock(&lock); \
        step(inside(path)); \
        return removed(original(path), path); \
    }
REMOVE(unlink)
REMOVE(rmdir)

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    char room[ROOM];
    pthread_mutex_lock(&lock);
    const char *whole = path_of(at, path, room);
    step(inside(whole));
    return removed(original(at, path, flags), whole);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    const char *name = inside(path);
    pthread_mutex_lock(&lock);
    step(name);
    int result = original(path, mode);
    if (name && *name && !result) put(FOLDER_MADE, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return result;
}

/* A name becomes another, or a second one comes beside it. */
static int named(int (*original)(const char *, const char *), char kind, const char *from, const char *to) {
    const char *old = inside(from), *fresh = inside(to);
    struct stat seen;
    pthread_mutex_lock(&lock);
    step(old);
    if (old && fresh && !stat(from, &seen) && !S_ISDIR(seen.st_mode)) known_file(old, 0);
    int result = original(from, to);
    if (!result && old && fresh) {
        char names[2 * PATH_MAX];
        int bytes = snprintf(names, sizeof names, "%s%c%s", old, 0, fresh);
        put(kind, 0, 0, names, (size_t)bytes);
    } else if (!result && (old || fresh)) abort(); /* in or out of the folder: not modelled */
    pthread_mutex_unlock(&lock);
    return result;
}
int rename(const char *from, const char *to) { REAL(rename); return named(original, RENAME, from, to); }
int link(const char *from, const char *to) { REAL(link); return named(original, LINK, from, to); }

/* What is not modelled must not happen unseen below the folder. */
#define REFUSE(type, name, parameters, arguments, descriptor) \
    type name parameters { \
        REAL(name); \
        if (watched(descriptor) > 0) { fprintf(stderr, "disk_tap: " #name " is not modelled\n"); abort(); } \
        return original arguments; \
    }
REFUSE(ssize_t, writev, (int d, const struct iovec *v, int n), (d, v, n), d)
REFUSE(ssize_t, pwritev64, (int d, const struct iovec *v, int n, off64_t at), (d, v, n, at), d)
REFUSE(ssize_t, sendfile64, (int d, int from, off64_t *at, size_t n), (d, from, at, n), d)
REFUSE(ssize_t, copy_file_range, (int from, off64_t *a, int d, off64_t *b, size_t n, unsigned f), (from, a, d, b, n, f), d)
REFUSE(int, fallocate64, (int d, int mode, off64_t at, off64_t n), (d, mode, at, n), d)
