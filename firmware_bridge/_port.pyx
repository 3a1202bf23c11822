# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Owns how a serial port is opened: for one owner, raw, 8 data bits, no parity, 1 stop bit; knows no frames."""

import os

from libc.errno cimport EINVAL, errno
from posix.fcntl cimport O_NONBLOCK, O_RDWR, open as posix_open
from posix.unistd cimport close

from firmware_bridge.port import port_unusable

__all__ = ["close_port", "open_port"]

cdef extern from *:
    """
    #include <fcntl.h>
    #include <sys/file.h>
    #include <sys/ioctl.h>
    #include <termios.h>

    static const struct { int baud; speed_t speed; } speeds[] = {
        {9600, B9600}, {19200, B19200}, {38400, B38400}, {57600, B57600}, {115200, B115200}, {230400, B230400},
        {460800, B460800}, {500000, B500000}, {576000, B576000}, {921600, B921600}, {1000000, B1000000},
        {1152000, B1152000}, {1500000, B1500000}, {2000000, B2000000}, {3000000, B3000000}, {4000000, B4000000},
    };

    /* B0 stands for a rate that this list does not have. */
    static speed_t speed_of(int baud) {
        for (unsigned at = 0; at < sizeof speeds / sizeof speeds[0]; at++)
            if (speeds[at].baud == baud)
                return speeds[at].speed;
        return B0;
    }

    static void make_raw(struct termios *terminal, speed_t speed) {
        cfmakeraw(terminal);
        terminal->c_cflag &= ~(CSTOPB | PARENB | CRTSCTS | HUPCL);
        terminal->c_cflag |= CS8 | CREAD | CLOCAL;
        cfsetispeed(terminal, speed);
        cfsetospeed(terminal, speed);
    }
    """
    int O_NOCTTY, O_CLOEXEC, LOCK_EX, LOCK_NB, TIOCEXCL, TIOCNXCL, TIOCOUTQ, TCSANOW, TCIFLUSH, TCOFLUSH
    ctypedef unsigned int speed_t
    struct termios:
        pass
    speed_t B0
    int flock(int, int) nogil
    int ioctl(int, unsigned long, ...) nogil
    int tcgetattr(int, termios*) nogil
    int tcsetattr(int, int, const termios*) nogil
    int tcflush(int, int) nogil
    speed_t speed_of(int) nogil
    void make_raw(termios*, speed_t) nogil


cdef Step _set_up(int descriptor, int baud) noexcept nogil:
    """Makes an open port ours and raw; the step that failed with errno set, OPENING for none.

    Both locks are needed: flock names its holder and binds root, TIOCEXCL keeps out programs that know no flock.
    """
    cdef termios terminal
    if tcgetattr(descriptor, &terminal) != 0:
        return ASKING_TERMINAL
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0:
        return LOCKING
    if ioctl(descriptor, TIOCEXCL) != 0:
        return LOCKING
    make_raw(&terminal, speed_of(baud))
    if tcsetattr(descriptor, TCSANOW, &terminal) != 0:
        return SETTING_UP
    tcflush(descriptor, TCIFLUSH)
    return OPENING


cdef int port_open(const char* path, int baud, Step* step) noexcept nogil:
    """A non-blocking descriptor, or minus errno and the step that failed."""
    cdef int descriptor, reason
    step[0] = CHOOSING_BAUD
    if speed_of(baud) == B0:
        return -EINVAL
    step[0] = OPENING
    descriptor = posix_open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    if descriptor < 0:
        return -errno
    step[0] = _set_up(descriptor, baud)
    if step[0] == OPENING:
        return descriptor
    reason = errno
    close(descriptor)
    return -reason


cdef void port_close(int descriptor) noexcept nogil:
    """Gives the port back: it does not wait for a line that takes nothing, and the next one may open it.

    On a pty the flush would take octets from a reader that is slow; there nothing waits, and close does not either.
    """
    cdef int waiting = 0
    if ioctl(descriptor, TIOCOUTQ, &waiting) == 0 and waiting > 0:
        tcflush(descriptor, TCOFLUSH)
    ioctl(descriptor, TIOCNXCL)  # would outlive us while any other descriptor is open
    close(descriptor)


def open_port(str port not None, int baud) -> int:
    """A non-blocking descriptor that only we have; raises PortUnusable."""
    cdef Step step = OPENING
    cdef bytes path = os.fsencode(port)
    cdef int descriptor = port_open(path, baud, &step)
    if descriptor < 0:
        raise port_unusable(port, baud, step, -descriptor)
    return descriptor


def close_port(int descriptor) -> None:
    """Give back what open_port gave; what was not sent yet is not waited for."""
    port_close(descriptor)
