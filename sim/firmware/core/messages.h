/* Codes and numbers of the messages (sections 6 to 8). */
#ifndef MESSAGES_H
#define MESSAGES_H

/* FCS-32 of the table in section 8: a test holds it against the document. */
#define MESSAGE_TABLE_HASH 0x04344AD8ul

enum { PROTOCOL_MAJOR = 1, PROTOCOL_MINOR = 0 };

enum message {
    MOVE = 0x01,
    PICK = 0x02,
    DROP = 0x03,
    PAUSE = 0x04,
    RESUME = 0x05,
    CANCEL = 0x06,
    QUERY = 0x07,
    RESULT = 0x80,
    STATUS = 0xC0,
    NOTICE = 0xC1,
    HEARTBEAT = 0xE0,
    STOP = 0xE1,
    STOP_ACK = 0xE2,
    RESET = 0xE3,
    RESET_ACK = 0xE4
};

/* Lengths with the code, and for commands the length behind their header. */
enum {
    COMMAND_HEADER_OCTETS = 9,
    MOVE_BODY_OCTETS = 16,
    LIFT_BODY_OCTETS = 8,
    QUERY_BODY_OCTETS = 4,
    BODY_OCTETS_MAX = MOVE_BODY_OCTETS,
    HEARTBEAT_OCTETS = 8,
    STOP_OCTETS = 4,
    RESET_OCTETS = 3
};

enum outcome { ACCEPTED = 1, STARTED = 2, DONE = 3, FAILED = 4, DUPLICATE = 5, EXPIRED = 6 };

enum reason {
    REASON_NONE = 0,
    REASON_LATCHED = 1,
    REASON_STOPPED = 2,
    REASON_CANCELLED = 3,
    REASON_QUEUE_FULL = 4,
    REASON_STALE = 5,
    REASON_FORGOTTEN = 6,
    REASON_UNSUPPORTED = 7,
    REASON_IMPOSSIBLE = 8,
    REASON_FAULT = 9,
    REASON_PAUSED = 10
};

enum cause { RELEASED = 0, CAUSE_BOOT = 1, CAUSE_STOP = 2, CAUSE_LEASE = 3, CAUSE_FAULT = 4 };

enum {
    FLAG_MOVING = 1,
    FLAG_LOADED = 2,
    FLAG_PAUSED = 4,
    FLAG_CHARGING = 8,
    FLAG_LATCHED = 16,
    FLAG_LEASE_RUNNING = 32,
    FLAG_LINK_OPEN = 64
};

#endif
