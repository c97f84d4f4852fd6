"""The round trip as libzmq gives it to C: a small program, compiled when the benchmark starts.

pyzmq's wheel brings libzmq as a library of its own but without its header, and a second libzmq
would be another version with other settings: the program opens that very library by its path and
declares the seven functions that it calls. Without a C compiler, or with a pyzmq that holds libzmq
inside itself, there is nothing to compile or open, and the row says so by leaving its peer out.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import zmq

from shared.errors import DeadlineError

SOURCE: Final = r"""
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ZMQ_DEALER = 5, BODY_MAX = 4096 };

static void *(*new_context)(void);
static void *(*new_socket)(void *, int);
static int (*bind_to)(void *, const char *);
static int (*connect_to)(void *, const char *);
static int (*send_body)(void *, const void *, size_t, int);
static int (*receive)(void *, void *, size_t, int);

static void *named(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) { fprintf(stderr, "%s\n", dlerror()); exit(3); }
    return found;
}

static uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* round_trip LIBRARY echo|ask ADDRESS SIZE; ask reads counts, and writes so many durations. */
int main(int count, char **words) {
    if (count != 5) return 2;
    void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) { fprintf(stderr, "%s\n", dlerror()); return 3; }
    *(void **)&new_context = named(library, "zmq_ctx_new");
    *(void **)&new_socket = named(library, "zmq_socket");
    *(void **)&bind_to = named(library, "zmq_bind");
    *(void **)&connect_to = named(library, "zmq_connect");
    *(void **)&send_body = named(library, "zmq_send");
    *(void **)&receive = named(library, "zmq_recv");
    char body[BODY_MAX];
    size_t size = (size_t)atoi(words[4]);
    void *end = new_socket(new_context(), ZMQ_DEALER);
    if (!end || size > BODY_MAX) return 4;
    memset(body, 'x', size);
    if (strcmp(words[2], "echo") == 0) {
        if (bind_to(end, words[3])) return 5;
        puts("ready");
        fflush(stdout);
        for (;;) {
            int got = receive(end, body, BODY_MAX, 0);
            if (got < 0 || send_body(end, body, (size_t)got, 0) < 0) return 6;
        }
    }
    if (connect_to(end, words[3])) return 5;
    puts("ready");
    fflush(stdout);
    long wanted;
    while (scanf("%ld", &wanted) == 1) {
        uint64_t *took = malloc((size_t)wanted * sizeof *took);
        if (!took) return 7;
        for (long i = 0; i < wanted; i++) {
            uint64_t began = now_ns();
            if (send_body(end, body, size, 0) < 0) return 6;
            if (receive(end, body, BODY_MAX, 0) != (int)size) return 6;
            took[i] = now_ns() - began;
        }
        for (long i = 0; i < wanted; i++) printf("%llu ", (unsigned long long)took[i]);
        puts("");
        fflush(stdout);
        free(took);
    }
    return 0;
}
"""


Ask = Callable[[int], list[int]]
"""Makes so many round trips between two processes; nanoseconds of each."""


@contextlib.contextmanager
def c_pair(program: Path, library: Path, address: str, size: int) -> Iterator[Ask]:
    """Both ends as C programs. Raises DeadlineError when one of them ends."""
    with contextlib.ExitStack() as started:
        for part in ("echo", "ask"):
            end = subprocess.Popen(
                [str(program), str(library), part, address, str(size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.callback(_stop, end)
            _line(end)

        def ask(count: int) -> list[int]:
            assert end.stdin is not None, "it was opened with a pipe"
            end.stdin.write(f"{count}\n")
            end.stdin.flush()
            return [int(word) for word in _line(end).split()]

        yield ask


def _stop(end: subprocess.Popen[str]) -> None:
    end.kill()
    end.communicate()


def _line(end: subprocess.Popen[str]) -> str:
    assert end.stdout is not None, "it was opened with a pipe"
    line = end.stdout.readline()
    if not line:
        raise DeadlineError(f"bench hop: the C program ended with exit code {end.wait()}")
    return line


def bundled_libzmq() -> Path | None:
    """The library that pyzmq itself is linked with, where the wheel has it as a file."""
    folder = Path(zmq.__file__).resolve().parents[1] / "pyzmq.libs"
    return next(iter(sorted(folder.glob("libzmq*.so*"))), None)


def compiled(folder: Path, explain: Callable[[str], None]) -> Path | None:
    """The program, compiled into the folder; None, and the reason said, where that cannot be."""
    compiler = shutil.which("cc")
    if compiler is None:
        explain("no C compiler: libzmq from C is left out")
        return None
    if bundled_libzmq() is None:
        explain("pyzmq has no libzmq of its own as a file: libzmq from C is left out")
        return None
    source, program = folder / "round_trip.c", folder / "round_trip"
    source.write_text(SOURCE, encoding="ascii")
    subprocess.run([compiler, "-O2", "-o", program, source, "-ldl"], check=True)
    return program
