/* Preloaded into a launch and all it starts: storage that fails, and a clock that is off.

   What to do stands in the file $FAULTS_CONTROL, which the table changes while they run. Only what
   Python asks for fails or is told another time: not Ray's own code, which shares one real clock. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t seconds; /* what the clock is off */
    int32_t error, percent, reads, writes; /* errno, of how many calls, of which */
    char below[1024];
};
static volatile struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) control = page;
}

#define REAL(name)                                                 \
    ({                                                             \
        static __typeof__(&name) real;                             \
        if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
        real;                                                      \
    })

static int fails(const char *path, int writes) {
    struct timespec now;
    if (!control || !control->error || !(writes ? control->writes : control->reads)) return 0;
    if (strncmp(path, (const char *)control->below, strlen((const char *)control->below))) return 0;
    REAL(clock_gettime)(CLOCK_MONOTONIC, &now);
    if ((now.tv_nsec / 100) % 100 >= control->percent) return 0;
    errno = control->error;
    return 1;
}

static int fails_fd(int fd, int writes) {
    char name[64], path[PATH_MAX];
    if (!control || !control->error) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(path, writes);
}

#define OPEN(name)                                                     \
    int name(const char *path, int flags, ...) {                       \
        mode_t mode = 0;                                               \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(more, mode_t); \
        va_end(more);                                                  \
        if (fails(path, (flags & O_ACCMODE) != O_RDONLY)) return -1;   \
        return REAL(name)(path, flags, mode);                          \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
    return fails(path, 1) ? -1 : REAL(mkdir)(path, mode);
}
int rename(const char *from, const char *to) {
    return fails(to, 1) ? -1 : REAL(rename)(from, to);
}
int link(const char *from, const char *to) {
    return fails(to, 1) ? -1 : REAL(link)(from, to);
}
int unlink(const char *path) {
    return fails(path, 1) ? -1 : REAL(unlink)(path);
}
int lstat64(const char *path, struct stat64 *found) {
    return fails(path, 0) ? -1 : REAL(lstat64)(path, found);
}
int stat64(const char *path, struct stat64 *found) {
    return fails(path, 0) ? -1 : REAL(stat64)(path, found);
}
DIR *opendir(const char *path) {
    return fails(path, 0) ? NULL : REAL(opendir)(path);
}
int fsync(int fd) {
    return fails_fd(fd, 1) ? -1 : REAL(fsync)(fd);
}
ssize_t read(int fd, void *data, size_t size) {
    return fails_fd(fd, 0) ? -1 : REAL(read)(fd, data, size);
}
ssize_t write(int fd, const void *data, size_t size) {
    return fails_fd(fd, 1) ? -1 : REAL(write)(fd, data, size);
}

static int64_t off(void *caller) {
    Dl_info from;
    if (!control || !control->seconds || !dladdr(caller, &from) || !from.dli_fname) return 0;
    int python = strstr(from.dli_fname, "python") && !strstr(from.dli_fname, "site-packages");
    return python ? control->seconds : 0;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += off(__builtin_return_address(0));
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = REAL(gettimeofday)(now, zone);
    if (!result) now->tv_sec += off(__builtin_return_address(0));
    return result;
}
time_t time(time_t *now) {
    struct timespec real;
    REAL(clock_gettime)(CLOCK_REALTIME, &real);
    time_t told = real.tv_sec + off(__builtin_return_address(0));
    if (now) *now = told;
    return told;
}
