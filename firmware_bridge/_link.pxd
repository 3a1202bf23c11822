# The bridge's side of one vehicle's link over any line, as a state machine. Time comes in, octets come in and go out.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from firmware_bridge._framing cimport ENCODED_OCTETS_MAX, Unframer
from firmware_bridge._queues cimport TEXT_OCTETS_MAX, Command, CommandRing, Event, EventRing, StatusSlot
from firmware_bridge._safety cimport Safety
from firmware_bridge._sequence cimport Sequence
from firmware_bridge._xid cimport Refused, XidAnswer

cdef enum:
    WRITE_OCTETS_MAX = 274      # an abort and the longest frame

cdef enum State:
    NO_PORT
    ASKING                      # XID goes out
    TURNED_AWAY                 # another version: telemetry, heartbeat and stop only
    SETTING                     # SABME goes out
    CONFIRMING                  # UA came; the answer to a poll says that no older UA is under way
    OPEN

cdef enum Down:
    PORT_WENT
    CLOSED_BY_VEHICLE           # DM or DISC
    NO_ACKNOWLEDGEMENT          # the timer expired five times
    BROKE_PROTOCOL              # N(R) outside the window
    SILENT
    LOST_STATE                  # the vehicle says that its link is closed
    CLOSED_BY_US

cdef enum NotSent:
    TIME_TO_LIVE_ENDED
    LINK_CLOSED

cdef struct StationState:
    State state
    uint32_t open_epoch         # the epoch while commands are taken, else 0; read by Python's threads
    uint16_t epoch              # of the opening under way
    uint32_t table              # hash of the message table
    int tries                   # in this state
    int64_t again_us            # when the opening sends next
    int64_t heard_us            # the last good frame
    int64_t opened_us
    XidAnswer vehicle
    uint8_t identity[TEXT_OCTETS_MAX]
    int identity_octets
    Refused refused_told
    bint acknowledge_disc
    int echo_octets             # TEST to answer, -1 for none
    uint8_t echo[TEXT_OCTETS_MAX]
    bint disconnect             # DISC to send
    int64_t octet_ns            # one octet on the line: ten bits
    int64_t drained_us          # when the line will have sent all it was given
    bint preempts               # False only in the test that shows what a stop costs without
    bint latch_told
    uint16_t told_latch
    uint8_t told_cause
    uint16_t told_stop
    Unframer unframer
    Sequence sequence
    Safety safety
    CommandRing commands
    EventRing events
    StatusSlot status
    uint64_t octets_sent
    uint64_t octets_received
    uint64_t frames_sent
    uint64_t unknown
    uint64_t links_opened
    uint64_t links_lost
    uint64_t results_received
    uint64_t events_dropped

cdef void station_begin(StationState* station, int64_t baud, uint16_t epoch, uint32_t table) noexcept nogil
cdef void station_port_opened(StationState* station, int64_t now_us) noexcept nogil
cdef void station_port_lost(StationState* station, int64_t now_us) noexcept nogil
cdef void station_release(StationState* station, uint16_t latch, int64_t now_us) noexcept nogil
cdef void station_disconnect(StationState* station, int64_t now_us) noexcept nogil
cdef void station_receive(
    StationState* station, const uint8_t* octets, Py_ssize_t length, int64_t now_us
) noexcept nogil
cdef int station_poll(StationState* station, int64_t now_us, uint8_t* out, bint* flush) noexcept nogil
cdef void station_backlog(StationState* station, int64_t octets, int64_t now_us) noexcept nogil
cdef int64_t station_deadline(StationState* station) noexcept nogil
cdef bint station_has_room(StationState* station) noexcept nogil
cdef Event* station_event(StationState* station, uint8_t kind, int64_t now_us, int keep_free) noexcept nogil
