# Serial ports: opened for one owner, raw, 8N1.

cdef enum Step:
    OPENING
    LOCKING
    ASKING_TERMINAL
    CHOOSING_BAUD
    SETTING_UP
    READING
    WRITING

cdef int port_open(const char* path, int baud, Step* step) noexcept nogil
cdef void port_close(int descriptor) noexcept nogil
