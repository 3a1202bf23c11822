# What passes between Python's threads and the line's thread without a lock: two rings with one writer and one reader
# each, and a slot that keeps the latest status only. The GIL makes all of Python one writer and one reader.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #define load_acquire(place) __atomic_load_n((place), __ATOMIC_ACQUIRE)
    #define store_release(place, value) __atomic_store_n((place), (value), __ATOMIC_RELEASE)
    #define exchange(place, value) __atomic_exchange_n((place), (value), __ATOMIC_ACQ_REL)
    """
    uint32_t load_32 "load_acquire"(const uint32_t*) noexcept nogil
    void store_32 "store_release"(uint32_t*, uint32_t) noexcept nogil
    uint32_t exchange_32 "exchange"(uint32_t*, uint32_t) noexcept nogil
    int64_t load_64 "load_acquire"(const int64_t*) noexcept nogil
    void store_64 "store_release"(int64_t*, int64_t) noexcept nogil

cdef enum:
    COMMANDS_MAX = 64           # wait for the window; a power of two
    EVENTS_MAX = 1024           # wait for Python; a power of two
    EVENTS_RESERVED = 256       # kept free for what cannot be held back: links, ports, commands that were not sent
    BODY_OCTETS_MAX = 32
    TEXT_OCTETS_MAX = 128
    STATUS_FRESH = 4            # bit of StatusSlot.middle: not taken yet

cdef enum EventKind:
    PORT_OPENED
    PORT_LOST                   # small: the step that failed; wide: errno
    LINK_UP                     # number: epoch; octets: XID information
    LINK_REFUSED                # small: Refused; octets: XID information
    LINK_DOWN                   # small: Down; number: epoch
    RESULT                      # octets: the message
    NOT_SENT                    # small: NotSent; wide: command id
    STATUS                      # octets: the message
    LATCHED                     # number: latch; small: cause
    RELEASED                    # number: latch
    RELEASE_FAILED              # number: the latch asked for; wide: the vehicle's latch, 0 for no answer; small: cause
    STOP_ACKNOWLEDGED           # number: stop; wide: latch
    NOTICE                      # octets: the message

cdef struct Command:
    uint32_t id
    uint16_t epoch              # of the link it was submitted to
    uint8_t code
    uint8_t length              # of the body
    int64_t until_us            # when its time to live ends; INT64_MAX: never
    uint8_t body[BODY_OCTETS_MAX]

cdef struct Event:
    int64_t at_us
    uint32_t wide
    uint16_t number
    uint8_t small
    uint8_t kind
    uint8_t length
    uint8_t octets[TEXT_OCTETS_MAX]

cdef struct CommandRing:
    uint32_t written            # by Python
    uint32_t read               # by the line
    Command places[COMMANDS_MAX]

cdef struct EventRing:
    uint32_t written            # by the line
    uint32_t read               # by Python
    Event places[EVENTS_MAX]

cdef struct StatusSlot:
    uint32_t middle             # a free place, or with STATUS_FRESH the latest status
    uint32_t back               # the line's
    uint32_t front              # Python's
    uint32_t puts               # by the line
    Event places[3]


cdef inline bint command_put(CommandRing* ring, const Command* command) noexcept nogil:
    """False when the ring is full."""
    cdef uint32_t written = ring.written
    if written - load_32(&ring.read) >= COMMANDS_MAX:
        return False
    ring.places[written & (COMMANDS_MAX - 1)] = command[0]
    store_32(&ring.written, written + 1)
    return True


cdef inline Command* command_first(CommandRing* ring) noexcept nogil:
    """The command that waits longest, NULL for none; it stays until command_drop."""
    if load_32(&ring.written) == ring.read:
        return NULL
    return &ring.places[ring.read & (COMMANDS_MAX - 1)]


cdef inline void command_drop(CommandRing* ring) noexcept nogil:
    store_32(&ring.read, ring.read + 1)


cdef inline int events_free(const EventRing* ring) noexcept nogil:
    return EVENTS_MAX - <int>(load_32(&ring.written) - load_32(&ring.read))


cdef inline Event* event_begin(EventRing* ring) noexcept nogil:
    """An empty place to fill and then to publish by event_end; NULL when the ring is full."""
    cdef Event* event
    if events_free(ring) <= 0:
        return NULL
    event = &ring.places[ring.written & (EVENTS_MAX - 1)]
    memset(event, 0, sizeof(Event))
    return event


cdef inline void event_end(EventRing* ring) noexcept nogil:
    store_32(&ring.written, ring.written + 1)


cdef inline Event* event_first(EventRing* ring) noexcept nogil:
    """The event that waits longest, NULL for none; it stays until event_drop."""
    if load_32(&ring.written) == ring.read:
        return NULL
    return &ring.places[ring.read & (EVENTS_MAX - 1)]


cdef inline void event_drop(EventRing* ring) noexcept nogil:
    store_32(&ring.read, ring.read + 1)


cdef inline void status_slot_begin(StatusSlot* slot) noexcept nogil:
    slot.middle = 0
    slot.back = 1
    slot.front = 2


cdef inline void status_put(StatusSlot* slot, int64_t at_us, const uint8_t* octets, int length) noexcept nogil:
    """Replaces the latest status; `length` at most 128."""
    cdef Event* event = &slot.places[slot.back]
    memset(event, 0, sizeof(Event))
    event.kind = STATUS
    event.at_us = at_us
    event.length = <uint8_t>length
    memcpy(event.octets, octets, length)
    slot.back = exchange_32(&slot.middle, slot.back | STATUS_FRESH) & 3
    slot.puts += 1


cdef inline Event* status_take(StatusSlot* slot) noexcept nogil:
    """The latest status, once; NULL when it was taken before."""
    if not load_32(&slot.middle) & STATUS_FRESH:
        return NULL
    slot.front = exchange_32(&slot.middle, slot.front) & 3
    return &slot.places[slot.front]
