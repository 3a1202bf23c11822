# The station as Python sees it; the line's loop works on its state.

from firmware_bridge._link cimport StationState


cdef class Station:
    cdef StationState* state
