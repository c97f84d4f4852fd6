/* A disk that begins to fail: loaded before libc, it lets writes and syncs of certain files fail.
 *
 * FAULTY_FILES: part of the path of the files concerned. FAULTY_ORDER: a file that says when, as
 * "<operations that still succeed> <w|s> <errno>"; until it exists all is well. FAULTY_LOG gets a
 * line for each operation on those files since then: "ok", "failed" and what it was. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int armed, broken, left, fault;
static char kind;

static int concerned(int fd, char *path, size_t size) {
  char link[64];
  const char *part = getenv("FAULTY_FILES");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0 || part == NULL) return 0;
  path[length] = 0;
  return strstr(path, part) != NULL;
}

static void arm(void) {
  char text[64] = {0};
  const char *order = getenv("FAULTY_ORDER");
  int fd = order == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, order, O_RDONLY);
  if (fd < 0) return;
  if (syscall(SYS_read, fd, text, sizeof text - 1) > 0 &&
      sscanf(text, "%d %c %d", &left, &kind, &fault) == 3)
    armed = 1;
  syscall(SYS_close, fd);
}

static void tell(const char *what, const char *how, const char *path) {
  char line[4400];
  int fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULTY_LOG"),
                        O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;
  int size = snprintf(line, sizeof line, "%s %s %s\n", how, what, path);
  syscall(SYS_write, fd, line, (size_t)size);
  syscall(SYS_close, fd);
}

/* Whether this operation fails. Once one has failed, all of its kind do. */
static int fails(int fd, const char *what) {
  char path[4096];
  if (!concerned(fd, path, sizeof path)) return 0;
  if (!armed) arm();
  if (!armed) return 0;
  int of_this_kind = (what[0] == 's') == (kind == 's');
  if (of_this_kind && left-- <= 0) broken = 1;
  int now = broken && of_this_kind;
  tell(what, now ? "failed" : "ok", path);
  if (now) errno = fault;
  return now;
}

#define NEXT(type, name, ...) \
  static type (*next)(__VA_ARGS__); \
  if (next == NULL) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return fails(fd, "write") ? -1 : next(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return fails(fd, "write") ? -1 : next(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
  NEXT(ssize_t, "write", int, const void *, size_t);
  return fails(fd, "write") ? -1 : next(fd, data, size);
}
int fdatasync(int fd) {
  NEXT(int, "fdatasync", int);
  return fails(fd, "sync") ? -1 : next(fd);
}
int fsync(int fd) {
  NEXT(int, "fsync", int);
  return fails(fd, "sync") ? -1 : next(fd);
}
int ftruncate64(int fd, off64_t size) {
  NEXT(int, "ftruncate64", int, off64_t);
  return fails(fd, "write") ? -1 : next(fd, size);
}
